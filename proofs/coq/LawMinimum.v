(* The best teacher of the distillation law: existence, uniqueness, equation, response.

   Notation of DistillationLaw.v and LawConvexity.v; load x = x^(1+c0) (1 + (x/K)^p)^(c1/p).

   Statements  [stationary_iff]     LS' = 0 iff load x = U u;
               [stationary_bracket] then U c0 < load x < U (c0 + c1), and [load_increasing];
               [minimum_exists]     LS has a global minimiser on x > 0, for every p;
               [one_best_teacher]   p <= p_plus: exactly one, the only stationary point;
               [unique_by_convexity] p <= p_plus: at most one minimiser, by convexity alone;
               [harder_task_weaker_teacher] its place grows with U (falls in N_S and D_S);
               [gap_reachable_iff]  an entropy E lies left of it iff h(E) > 1;
               [two_minima]         beyond p_plus there can be two: c0 = 1, c1 = p = 12, K = 1,
                                    U = 5/14.
   Meaning     When a search for the best teacher can stop at the first minimum it finds.
   Hypotheses  U, K, c0, c1, p > 0.
   Source      statements and proofs of this project on Eq. 8 of Busbridge et al. 2025
               (arXiv 2502.08606). *)
Require Import Reals Ranalysis5 Lra Lia Psatz.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Convexity CapGap.DistillationLaw CapGap.LawConvexity.
Open Scope R_scope.

Lemma attained : forall f df a b, a <= b -> (forall x, a <= x <= b -> is_derive f x (df x)) ->
  exists m, a <= m <= b /\ forall y, a <= y <= b -> f m <= f y.
Proof.
  intros f df a b Hab Hd. destruct (continuity_ab_min f a b Hab) as (m & Hm & Hr).
  - intros c Hc. apply derivable_continuous_pt. exists (df c). apply is_derive_Reals, Hd, Hc.
  - exists m. auto.
Qed.

Definition load K c0 c1 p x := Rpower x (1 + c0) * Rpower (1 + ratio K p x) (c1 / p).

Section Minimum.
Variables K c0 c1 p : R.
Hypothesis HK : 0 < K.
Hypothesis Hc0 : 0 < c0.
Hypothesis Hc1 : 0 < c1.
Hypothesis Hp : 0 < p.
Notation load := (load K c0 c1 p).
Notation u := (u K c0 c1 p).
Notation h U := (h U K c0 c1 p).
Notation LS U := (LS U K c0 c1 p).

Lemma load_pos : forall x, 0 < load x.
Proof. intros. apply Rmult_lt_0_compat; apply exp_pos. Qed.
Lemma Rpower_increasing : forall a x y, 0 < a -> 0 < x -> x < y -> Rpower x a < Rpower y a.
Proof. intros. unfold Rpower. apply exp_increasing, Rmult_lt_compat_l; auto. apply ln_increasing; auto. Qed.
Lemma load_increasing : forall x y, 0 < x -> x < y -> load x < load y.
Proof.
  intros x y Hx Hxy. unfold LawMinimum.load.
  assert (E : ratio K p x < ratio K p y).
  { unfold ratio. apply Rpower_increasing; auto; [apply Rdiv_lt_0_compat; auto|].
    apply Rmult_lt_compat_r; auto. apply Rinv_0_lt_compat; auto. }
  pose proof (ratio_pos K p x).
  apply Rmult_gt_0_lt_compat; [apply exp_pos|apply exp_pos| |].
  - apply Rpower_increasing; lra.
  - apply Rpower_increasing; try lra. apply Rdiv_lt_0_compat; auto.
Qed.
Lemma h_load : forall U x, 0 < x -> h U x = U * u x / load x.
Proof.
  intros U x Hx. rewrite h_excess. unfold excess, LawMinimum.load. set (uu := u x).
  pose proof (ratio_pos K p x) as Hz. set (w := 1 + ratio K p x).
  rewrite Rpower_plus, Rpower_1, Rpower_Ropp by auto.
  replace (- c1 / p) with (- (c1 / p)) by (field; lra). rewrite Rpower_Ropp.
  pose proof (exp_pos (c0 * ln x)) as E1. fold (Rpower x c0) in E1.
  pose proof (exp_pos (c1 / p * ln w)) as E2. fold (Rpower w (c1 / p)) in E2.
  field. repeat split; lra.
Qed.
Theorem stationary_iff : forall U x, 0 < x -> (1 - h U x = 0 <-> load x = U * u x).
Proof.
  intros U x Hx. rewrite h_load by auto. pose proof (load_pos x) as HL.
  split; intro E.
  - assert (F : U * u x / load x = 1) by lra. apply Rmult_eq_compat_r with (r := load x) in F.
    unfold Rdiv in F. rewrite Rmult_assoc, Rinv_l in F; lra.
  - rewrite <- E. field. lra.
Qed.
Theorem stationary_bracket : forall U x, 0 < U -> 0 < x -> 1 - h U x = 0 -> U * c0 < load x < U * (c0 + c1).
Proof.
  intros U x HU Hx E. apply stationary_iff in E; auto. rewrite E.
  destruct (u_range K c0 c1 p Hc1 x). split; apply Rmult_lt_compat_l; auto.
Qed.
Lemma h_above : forall U x, 0 < U -> 0 < x -> load x <= U * c0 -> 1 < h U x.
Proof.
  intros U x HU Hx H. rewrite h_load by auto. pose proof (load_pos x). destruct (u_range K c0 c1 p Hc1 x) as [Hu _].
  apply Rmult_lt_reg_r with (load x); auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
  assert (U * c0 < U * u x) by (apply Rmult_lt_compat_l; auto). lra.
Qed.
Lemma h_below : forall U x, 0 < U -> 0 < x -> U * (c0 + c1) <= load x -> h U x < 1.
Proof.
  intros U x HU Hx H. rewrite h_load by auto. pose proof (load_pos x). destruct (u_range K c0 c1 p Hc1 x) as [_ Hu].
  apply Rmult_lt_reg_r with (load x); auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
  assert (U * u x < U * (c0 + c1)) by (apply Rmult_lt_compat_l; auto). lra.
Qed.
Lemma far_points : forall U, 0 < U -> exists a b, 0 < a /\ a < b /\ load a <= U * c0 /\ U * (c0 + c1) <= load b.
Proof.
  intros U HU. set (r := 1 / (1 + c0)).
  assert (Hroot : forall y, 0 < y -> Rpower (Rpower y r) (1 + c0) = y).
  { intros y Hy. rewrite Rpower_mult. unfold r. replace (1 / (1 + c0) * (1 + c0)) with 1 by (field; lra). apply Rpower_1; auto. }
  assert (H2 : 0 < Rpower 2 (c1 / p)) by apply exp_pos.
  assert (Huc : 0 < U * c0) by (apply Rmult_lt_0_compat; auto).
  assert (Hq : 0 < c1 / p) by (apply Rdiv_lt_0_compat; auto).
  set (a1 := Rpower (U * c0 / Rpower 2 (c1 / p)) r). set (a := Rmin K a1).
  assert (Ha1 : 0 < a1) by apply exp_pos.
  assert (Ha : 0 < a) by (unfold a; apply Rmin_glb_lt; auto).
  set (b := Rpower (U * (c0 + c1)) r). assert (Hb : 0 < b) by apply exp_pos.
  assert (La : load a <= U * c0).
  { unfold LawMinimum.load. replace (U * c0) with (U * c0 / Rpower 2 (c1 / p) * Rpower 2 (c1 / p)) by (field; lra).
    apply Rmult_le_compat; [left; apply exp_pos|left; apply exp_pos| |].
    - rewrite <- (Hroot (U * c0 / Rpower 2 (c1 / p))) by (apply Rdiv_lt_0_compat; auto). fold a1.
      apply Rle_Rpower_l; [lra|]. split; auto. apply Rmin_r.
    - apply Rle_Rpower_l; [lra|]. pose proof (ratio_pos K p a). split; [lra|].
      assert (ratio K p a <= 1); [|lra]. unfold ratio.
      replace 1 with (Rpower 1 p) by (unfold Rpower; rewrite ln_1, Rmult_0_r; apply exp_0).
      apply Rle_Rpower_l; [lra|]. split; [apply Rdiv_lt_0_compat; auto|].
      apply Rmult_le_reg_r with K; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
      pose proof (Rmin_l K a1). fold a in H0. lra. }
  assert (Lb : U * (c0 + c1) <= load b).
  { unfold LawMinimum.load, b. rewrite Hroot by (apply Rmult_lt_0_compat; lra).
    rewrite <- (Rmult_1_r (U * (c0 + c1))) at 1. apply Rmult_le_compat_l; [left; apply Rmult_lt_0_compat; lra|].
    replace 1 with (Rpower 1 (c1 / p)) at 1 by (unfold Rpower; rewrite ln_1, Rmult_0_r; apply exp_0).
    apply Rle_Rpower_l; [lra|]. pose proof (ratio_pos K p (Rpower (U * (c0 + c1)) r)). lra. }
  exists a, b. repeat split; auto. apply Rnot_le_lt. intro Hle.
  assert (load b <= load a) by (destruct Hle as [L|L]; [left; apply load_increasing; auto|rewrite L; lra]).
  assert (U * c0 < U * (c0 + c1)) by (apply Rmult_lt_compat_l; lra). lra.
Qed.

Theorem minimum_exists : forall U, 0 < U -> exists x, minimises (fun x => 0 < x) (LS U) x.
Proof.
  intros U HU. destruct (far_points U HU) as (a & b & Ha & Hab & La & Lb).
  destruct (attained (LS U) (fun x => 1 - h U x) a b) as (m & Hm & Hmin); [lra|intros; apply LS_derive; auto; lra|].
  exists m. split; [lra|]. intros y Hy.
  destruct (Rlt_le_dec y a) as [h1|h1]; [|destruct (Rlt_le_dec b y) as [h2|h2]]; [| |apply Hmin; lra].
  - apply Rle_trans with (LS U a); [apply Hmin; lra|].
    destruct (MVT_cor2 (LS U) (fun x => 1 - h U x) y a h1) as (c & E & Hc).
    { intros c Hc. apply is_derive_Reals, LS_derive; auto. lra. }
    assert (1 < h U c).
    { apply h_above; auto; [lra|]. pose proof (load_increasing c a ltac:(lra) ltac:(lra)). lra. }
    assert (0 < (h U c - 1) * (a - y)) by (apply Rmult_lt_0_compat; lra). lra.
  - apply Rle_trans with (LS U b); [apply Hmin; lra|].
    destruct (MVT_cor2 (LS U) (fun x => 1 - h U x) b y h2) as (c & E & Hc).
    { intros c Hc. apply is_derive_Reals, LS_derive; auto. lra. }
    assert (h U c < 1).
    { apply h_below; auto; [lra|]. pose proof (load_increasing b c ltac:(lra) ltac:(lra)). lra. }
    assert (0 < (1 - h U c) * (y - b)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma stationary_exists : forall U, 0 < U -> exists x, 0 < x /\ 1 - h U x = 0.
Proof.
  intros U HU. destruct (far_points U HU) as (a & b & Ha & Hab & La & Lb).
  destruct (IVT_interv (fun x => 1 - h U x) a b) as (x & Hx & E); auto.
  - intros c Hc. apply derivable_continuous_pt. eexists. apply is_derive_Reals. apply marginal_derive; auto. lra.
  - pose proof (h_above U a HU Ha La). lra.
  - pose proof (h_below U b HU ltac:(lra) Lb). lra.
  - exists x. split; [lra|auto].
Qed.

Section Convex.
Hypothesis Hconvex : p <= p_plus c0 c1.
Theorem one_best_teacher : forall U, 0 < U -> exists x, 0 < x /\ load x = U * u x /\
  (forall y, 0 < y -> y <> x -> LS U x < LS U y) /\ (forall y, 0 < y -> load y = U * u y -> y = x).
Proof.
  intros U HU. destruct (stationary_exists U HU) as (x & Hx & E).
  assert (S : forall x, 0 < x -> 1 - h U x = 0 -> forall y, 0 < y -> y <> x -> LS U x < LS U y).
  { intros z Hz Ez y Hy Hn.
    apply (stationary_minimises (fun x => 0 < x) (LS U) (fun x => 1 - h U x) positive_line); auto.
    - intros w Hw. apply LS_derive; auto.
    - apply marginal_increasing; auto. }
  exists x. split; [auto|]. split; [apply stationary_iff; auto|]. split; [apply S; auto|].
  intros y Hy Ey. apply stationary_iff in Ey; auto. destruct (Req_dec y x) as [|Hn]; auto.
  pose proof (S x Hx E y Hy Hn). pose proof (S y Hy Ey x Hx (not_eq_sym Hn)). lra.
Qed.
Theorem unique_by_convexity : forall U x y, 0 < U ->
  minimises (fun x => 0 < x) (LS U) x -> minimises (fun x => 0 < x) (LS U) y -> x = y.
Proof. intros U x y HU. apply one_minimiser; [apply positive_line|apply convex_iff; auto]. Qed.
Theorem harder_task_weaker_teacher : forall U U' x x', 0 < U -> U < U' -> 0 < x -> 0 < x' ->
  1 - h U x = 0 -> 1 - h U' x' = 0 -> x < x'.
Proof.
  intros U U' x x' HU HUU Hx Hx' E E'. apply Rnot_le_lt. intro Hle.
  assert (H1 : h U' x <= h U' x').
  { destruct Hle as [L|L]; [left; apply h_decreasing; auto; lra|rewrite L; lra]. }
  assert (H2 : h U x < h U' x); [|lra]. rewrite !h_load by auto.
  apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat, load_pos|].
  apply Rmult_lt_compat_r; auto. destruct (u_range K c0 c1 p Hc1 x). lra.
Qed.
Theorem gap_reachable_iff : forall U x E, 0 < U -> 0 < x -> 0 < E -> 1 - h U x = 0 -> (E < x <-> 1 < h U E).
Proof.
  intros U x E HU Hx HE Ex. split; intro H.
  - pose proof (h_decreasing U K c0 c1 p HU HK Hc0 Hc1 Hp Hconvex E x HE H). lra.
  - apply Rnot_le_lt. intros [L|L]; [|subst; lra].
    pose proof (h_decreasing U K c0 c1 p HU HK Hc0 Hc1 Hp Hconvex x E Hx L). lra.
Qed.
End Convex.
End Minimum.

(* ---- beyond p_plus ---- *)
Definition example := LS (5 / 14) 1 1 12 12.
Lemma example_value : forall x, 0 < x -> example x = x + 5 / 14 * / x * / (1 + x ^ 12).
Proof.
  intros x Hx. unfold example, LS, excess, ratio.
  replace (- (12) / 12) with (- (1)) by field.
  rewrite !Rpower_Ropp, Rpower_1 by auto. replace (x / 1) with x by field.
  replace 12 with (INR 12) by (simpl; ring). rewrite Rpower_pow by auto.
  rewrite Rpower_1; [reflexivity|]. assert (0 < x ^ 12) by (apply pow_lt; auto). lra.
Qed.
Lemma example_beyond : p_plus 1 12 < 12.
Proof.
  unfold p_plus, half_sum. assert (sqrt ((1 + 2 * 1 + 2 * 1 * (1 + 1) / 12) * (1 + 2 * 1 + 2 * 1 * (1 + 1) / 12) - 1) < 4); [|lra].
  rewrite <- (sqrt_square 4) by lra. apply sqrt_lt_1_alt. lra.
Qed.
Lemma interior_minimum : forall a m b, 0 < a -> a < m < b -> example m < example a -> example m < example b ->
  exists x, a < x < b /\ forall y, a <= y <= b -> example x <= example y.
Proof.
  intros a m b Ha Hm H1 H2.
  destruct (attained example (fun x => 1 - h (5 / 14) 1 1 12 12 x) a b) as (x & Hx & Hmin); [lra| |].
  - intros x Hx. apply LS_derive; lra.
  - pose proof (Hmin m ltac:(lra)) as H3. exists x. split; [|auto].
    destruct Hx as [[L|L] [R|R]]; subst; lra.
Qed.
Theorem two_minima : p_plus 1 12 < 12 /\ exists x x',
  1 / 2 < x < 17 / 20 /\ (forall y, 1 / 2 <= y <= 17 / 20 -> example x <= example y) /\
  17 / 20 < x' < 3 / 2 /\ (forall y, 17 / 20 <= y <= 3 / 2 -> example x' <= example y).
Proof.
  split; [apply example_beyond|].
  destruct (interior_minimum (1 / 2) (3 / 5) (17 / 20)) as (x & Hx & Mx); try lra;
    [rewrite !example_value by lra; simpl; lra|rewrite !example_value by lra; simpl; lra|].
  destruct (interior_minimum (17 / 20) 1 (3 / 2)) as (x' & Hx' & Mx'); try lra;
    [rewrite !example_value by lra; simpl; lra|rewrite !example_value by lra; simpl; lra|].
  exists x, x'. repeat split; auto; lra.
Qed.
