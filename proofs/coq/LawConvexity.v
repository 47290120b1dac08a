(* Exactly when the distillation law is convex in teacher loss.

   Notation of DistillationLaw.v; B = 1 + 2 c0 + 2 c0 (1 + c0)/c1, p_plus = B + sqrt (B^2 - 1).

   Statements  [convex_iff]        for every U and K: LS is strictly convex on x > 0 iff p <= p_plus;
               [h_decreasing]      then h falls strictly;
               [curved]            p < p_plus: LS'' > 0 everywhere.
   Meaning     One number, made of three fitted exponents alone, decides whether a student has a
               single best teacher; the equality p = p_plus still counts as convex.
   Hypotheses  U, K, c0, c1, p > 0.
   Source      statement and proof of this project. *)
Require Import Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Convexity CapGap.DistillationLaw.
Open Scope R_scope.

Definition half_sum c0 c1 := 1 + 2 * c0 + 2 * c0 * (1 + c0) / c1.
Definition p_plus c0 c1 := half_sum c0 c1 + sqrt (half_sum c0 c1 * half_sum c0 c1 - 1).

Section Bracket.
Variables c0 c1 p : R.
Hypothesis Hc0 : 0 < c0.
Hypothesis Hc1 : 0 < c1.
Hypothesis Hp : 0 < p.
Notation B := (half_sum c0 c1).
Definition vertex := (p - 1 - 2 * c0) / (2 * (c1 + p)).
Definition depth := c1 * (p * p - 2 * p * B + 1) / (4 * (c1 + p)).

Lemma B_large : 1 + 2 * c0 < B.
Proof.
  unfold half_sum. assert (0 < 2 * c0 * (1 + c0)) by (apply Rmult_lt_0_compat; lra).
  assert (0 < 2 * c0 * (1 + c0) / c1) by (apply Rdiv_lt_0_compat; auto). lra.
Qed.
(* completing the square *)
Lemma bracket_square : forall y, bracket c0 c1 p y = c1 * (c1 + p) * ((y - vertex) * (y - vertex)) - depth.
Proof. intros. unfold bracket, vertex, depth, half_sum. field. lra. Qed.
Lemma depth_factors : depth = c1 * ((p - p_plus c0 c1) * (p - (B - sqrt (B * B - 1)))) / (4 * (c1 + p)).
Proof.
  unfold depth, p_plus. set (r := sqrt (B * B - 1)).
  assert (E : r * r = B * B - 1).
  { apply sqrt_sqrt. pose proof B_large. assert (0 < (B - 1) * (B + 1)) by (apply Rmult_lt_0_compat; lra). lra. }
  replace ((p - (B + r)) * (p - (B - r))) with (p * p - 2 * p * B + B * B - r * r) by ring. rewrite E.
  replace (p * p - 2 * p * B + B * B - (B * B - 1)) with (p * p - 2 * p * B + 1) by ring. reflexivity.
Qed.
Lemma root_bounds : B - sqrt (B * B - 1) < 1 /\ B < p_plus c0 c1.
Proof.
  pose proof B_large. unfold p_plus.
  assert (P : 0 < (B - 1) * (B + 1)) by (apply Rmult_lt_0_compat; lra).
  assert (Q : B - 1 < sqrt (B * B - 1)).
  { rewrite <- (sqrt_square (B - 1)) at 1 by lra. apply sqrt_lt_1_alt. split; [apply Rle_0_sqr|]. lra. }
  lra.
Qed.
Lemma bracket_pos_small : p <= 1 + 2 * c0 -> forall y, 0 < y < 1 -> 0 < bracket c0 c1 p y.
Proof.
  intros Hle y Hy. unfold bracket.
  assert (0 < c1 * y) by (apply Rmult_lt_0_compat; lra).
  assert (H1 : 0 <= (c1 * y * (1 - y)) * (1 + 2 * c0 - p)).
  { apply Rmult_le_pos; [|lra]. left. apply Rmult_lt_0_compat; lra. }
  assert (0 < c1 * y * y) by (apply Rmult_lt_0_compat; lra).
  assert (0 < (c1 * y * y) * (1 + 2 * c0)) by (apply Rmult_lt_0_compat; lra).
  assert (0 < c0 * (c0 + 1)) by (apply Rmult_lt_0_compat; lra).
  assert (0 < (c1 * y) * (c1 * y)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma depth_sign_below : 1 + 2 * c0 < p -> p < p_plus c0 c1 -> depth < 0.
Proof.
  intros H1 H2. rewrite depth_factors. destruct root_bounds as [Hr _].
  assert (P : 0 < (p_plus c0 c1 - p) * (p - (B - sqrt (B * B - 1)))) by (apply Rmult_lt_0_compat; lra).
  assert (Q : 0 < c1 * ((p_plus c0 c1 - p) * (p - (B - sqrt (B * B - 1)))) / (4 * (c1 + p))).
  { apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; auto|lra]. }
  unfold Rdiv in *. lra.
Qed.
Lemma depth_sign_above : p_plus c0 c1 < p -> 0 < depth.
Proof.
  intros H2. rewrite depth_factors. destruct root_bounds as [Hr Hb]. pose proof B_large.
  apply Rdiv_lt_0_compat; [|lra]. apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; lra.
Qed.
Lemma bracket_pos : p < p_plus c0 c1 -> forall y, 0 < y < 1 -> 0 < bracket c0 c1 p y.
Proof.
  intros Hlt y Hy. destruct (Rle_lt_dec p (1 + 2 * c0)) as [h|h]; [apply bracket_pos_small; auto|].
  rewrite bracket_square. pose proof (depth_sign_below h Hlt).
  assert (0 <= c1 * (c1 + p) * ((y - vertex) * (y - vertex))); [|lra].
  apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply Rle_0_sqr].
Qed.
Lemma bracket_pos_but_one : p <= p_plus c0 c1 -> forall y, 0 < y < 1 -> y <> vertex -> 0 < bracket c0 c1 p y.
Proof.
  intros [Hlt|Heq] y Hy Hn; [apply bracket_pos; auto|].
  assert (E : depth = 0).
  { rewrite depth_factors. replace (p - p_plus c0 c1) with 0 by lra. field. lra. }
  rewrite bracket_square, E.
  assert (0 < (y - vertex) * (y - vertex)).
  { destruct (Rdichotomy y vertex Hn); [|apply Rmult_lt_0_compat; lra].
    replace ((y - vertex) * (y - vertex)) with ((vertex - y) * (vertex - y)) by ring. apply Rmult_lt_0_compat; lra. }
  assert (0 < c1 * (c1 + p) * ((y - vertex) * (y - vertex))); [|lra].
  apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; lra.
Qed.
End Bracket.

(* The teacher loss at which sigma takes a given value. *)
Definition at_sigma K p y := K * Rpower (y / (1 - y)) (1 / p).
Lemma at_sigma_pos : forall K p y, 0 < K -> 0 < at_sigma K p y.
Proof. intros. unfold at_sigma. apply Rmult_lt_0_compat; auto. apply exp_pos. Qed.
Lemma sigma_at : forall K p y, 0 < K -> 0 < p -> 0 < y < 1 -> sigma K p (at_sigma K p y) = y.
Proof.
  intros K p y HK Hp Hy. unfold sigma, ratio, at_sigma.
  replace (K * Rpower (y / (1 - y)) (1 / p) / K) with (Rpower (y / (1 - y)) (1 / p)) by (field; lra).
  rewrite Rpower_mult. replace (1 / p * p) with 1 by (field; lra).
  rewrite Rpower_1 by (apply Rdiv_lt_0_compat; lra). field. lra.
Qed.
Lemma sigma_increasing : forall K p x y, 0 < K -> 0 < p -> 0 < x -> x < y -> sigma K p x < sigma K p y.
Proof.
  intros K p x y HK Hp Hx Hxy.
  assert (E : ratio K p x < ratio K p y).
  { unfold ratio, Rpower. apply exp_increasing, Rmult_lt_compat_l; auto.
    apply ln_increasing; [apply Rdiv_lt_0_compat; auto|]. apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat|]; auto. }
  pose proof (ratio_pos K p x). pose proof (ratio_pos K p y). unfold sigma.
  apply Rmult_lt_reg_r with ((1 + ratio K p x) * (1 + ratio K p y)); [apply Rmult_lt_0_compat; lra|].
  replace (ratio K p x / (1 + ratio K p x) * ((1 + ratio K p x) * (1 + ratio K p y))) with (ratio K p x * (1 + ratio K p y)) by (field; lra).
  replace (ratio K p y / (1 + ratio K p y) * ((1 + ratio K p x) * (1 + ratio K p y))) with (ratio K p y * (1 + ratio K p x)) by (field; lra).
  lra.
Qed.

Section Law.
Variables U K c0 c1 p : R.
Hypothesis HU : 0 < U.
Hypothesis HK : 0 < K.
Hypothesis Hc0 : 0 < c0.
Hypothesis Hc1 : 0 < c1.
Hypothesis Hp : 0 < p.
Notation LS := (LS U K c0 c1 p).
Notation h := (h U K c0 c1 p).
Notation excess := (excess U K c0 c1 p).
Notation sigma := (sigma K p).
Let positive x := 0 < x.

Definition second x := excess x / (x * x) * bracket c0 c1 p (sigma x).
Lemma marginal_derive : forall x, 0 < x -> is_derive (fun x => 1 - h x) x (second x).
Proof.
  intros x Hx. pose proof (h_derive U K c0 c1 p HK Hp x Hx) as Hd. unfold second.
  auto_derive; [eexists; exact Hd|].
  replace (Derive (fun x => h x) x) with (- (excess x / (x * x)) * bracket c0 c1 p (sigma x))
    by (symmetry; apply is_derive_unique; exact Hd). ring.
Qed.
Lemma weight_pos : forall x, 0 < x -> 0 < excess x / (x * x).
Proof. intros. apply Rdiv_lt_0_compat; [apply excess_pos; auto|apply Rmult_lt_0_compat; auto]. Qed.
Theorem curved : p < p_plus c0 c1 -> forall x, 0 < x -> 0 < second x.
Proof.
  intros. unfold second. apply Rmult_lt_0_compat; [apply weight_pos; auto|].
  apply bracket_pos; auto. apply sigma_range.
Qed.
Lemma marginal_increasing : p <= p_plus c0 c1 -> increasing_on positive (fun x => 1 - h x).
Proof.
  intros H. apply increasing_of_second_derivative with (ddf := second) (z := at_sigma K p (vertex c0 c1 p));
    [exact positive_line|exact marginal_derive|].
  intros x Hx Hn. unfold second. apply Rmult_lt_0_compat; [apply weight_pos; auto|].
  apply bracket_pos_but_one; auto; [apply sigma_range|]. intro E. apply Hn.
  assert (Hv : 0 < vertex c0 c1 p < 1) by (rewrite <- E; apply sigma_range).
  pose proof (at_sigma_pos K p (vertex c0 c1 p) HK) as Ha.
  destruct (Rtotal_order x (at_sigma K p (vertex c0 c1 p))) as [L|[L|L]]; auto; exfalso.
  - pose proof (sigma_increasing K p _ _ HK Hp Hx L). rewrite sigma_at in H0; auto. lra.
  - pose proof (sigma_increasing K p _ _ HK Hp Ha L). rewrite sigma_at in H0; auto. lra.
Qed.
Theorem h_decreasing : p <= p_plus c0 c1 -> forall x y, 0 < x -> x < y -> h y < h x.
Proof.
  intros H x y Hx Hxy. pose proof (marginal_increasing H x y Hx ltac:(unfold positive; lra) Hxy). simpl in H0. lra.
Qed.
Lemma convex_below : p <= p_plus c0 c1 -> strictly_convex positive LS.
Proof.
  intros H. apply convex_of_increasing_derivative with (fun x => 1 - h x);
    [exact positive_line|intros x Hx; apply LS_derive; auto|apply marginal_increasing; auto].
Qed.
(* Beyond p_plus the law is concave where sigma is near the vertex. *)
Lemma concave_piece : p_plus c0 c1 < p ->
  exists x y, 0 < x /\ 0 < y /\ x <> y /\ 1 / 2 * LS x + (1 - 1 / 2) * LS y < LS (1 / 2 * x + (1 - 1 / 2) * y).
Proof.
  intros H. pose proof (depth_sign_above c0 c1 p Hc0 Hc1 Hp H) as Hd.
  destruct (root_bounds c0 c1 Hc0 Hc1) as [_ HB]. pose proof (B_large c0 c1 Hc0 Hc1) as HB'.
  set (v := vertex c0 c1 p).
  assert (Hv : 0 < v < 1 / 2).
  { unfold v, vertex. split; [apply Rdiv_lt_0_compat; lra|].
    apply Rmult_lt_reg_r with (2 * (c1 + p)); [lra|]. unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l; lra. }
  set (q := c1 * (c1 + p)). assert (Hq : 0 < q) by (unfold q; apply Rmult_lt_0_compat; lra).
  set (w := depth c0 c1 p / (2 * (q + depth c0 c1 p))).
  assert (Hw : 0 < w < 1 / 2).
  { unfold w. split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_reg_r with (2 * (q + depth c0 c1 p)); [lra|].
    unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l; lra. }
  (* w < 1/2 and q w < depth give q w^2 < depth *)
  assert (Hqw : q * (w * w) < depth c0 c1 p).
  { assert (E : w * (2 * (q + depth c0 c1 p)) = depth c0 c1 p) by (unfold w; field; lra).
    assert (0 < w * depth c0 c1 p) by (apply Rmult_lt_0_compat; lra).
    assert (0 < q * w) by (apply Rmult_lt_0_compat; lra).
    assert (0 < q * w * (1 - w)) by (apply Rmult_lt_0_compat; lra). lra. }
  set (P := fun x => 0 < x /\ v <= sigma x <= v + w).
  assert (HP : interval P).
  { intros x y z [Hx Hsx] [Hy Hsy] Hz. split; [lra|]. split.
    - destruct (proj1 Hz) as [L|L]; [|rewrite <- L; lra]. pose proof (sigma_increasing K p x z HK Hp Hx L). lra.
    - destruct (proj2 Hz) as [L|L]; [|rewrite L; lra]. pose proof (sigma_increasing K p z y HK Hp ltac:(lra) L). lra. }
  assert (Hneg : forall x, P x -> 0 < - second x).
  { intros x [Hx Hs]. unfold second. rewrite bracket_square by auto. fold q. fold v.
    assert (0 <= (w - (sigma x - v)) * (w + (sigma x - v))) by (apply Rmult_le_pos; lra).
    assert (q * ((sigma x - v) * (sigma x - v)) <= q * (w * w)) by (apply Rmult_le_compat_l; lra).
    pose proof (weight_pos x Hx).
    assert (0 < excess x / (x * x) * (depth c0 c1 p - q * ((sigma x - v) * (sigma x - v)))) by (apply Rmult_lt_0_compat; lra).
    lra. }
  assert (Hc : strictly_convex P (fun x => - LS x)).
  { apply convex_of_increasing_derivative with (fun x => - (1 - h x)); auto.
    - intros x [Hx _]. apply (is_derive_opp LS x (1 - h x)). apply LS_derive; auto.
    - apply increasing_of_second_derivative with (ddf := fun x => - second x) (z := 0); auto.
      intros x [Hx _]. apply (is_derive_opp (fun x => 1 - h x) x (second x)). apply marginal_derive; auto. }
  exists (at_sigma K p v), (at_sigma K p (v + w)).
  pose proof (at_sigma_pos K p v HK) as H1. pose proof (at_sigma_pos K p (v + w) HK) as H2.
  pose proof (sigma_at K p v HK Hp ltac:(lra)) as E1. pose proof (sigma_at K p (v + w) HK Hp ltac:(lra)) as E2.
  assert (Hn : at_sigma K p v <> at_sigma K p (v + w)) by (intro E; rewrite E in E1; lra).
  repeat split; auto.
  pose proof (Hc _ _ (1 / 2) ltac:(split; [exact H1|lra]) ltac:(split; [exact H2|lra]) Hn ltac:(lra)) as F.
  simpl in F. lra.
Qed.
Theorem convex_iff : strictly_convex (fun x => 0 < x) LS <-> p <= p_plus c0 c1.
Proof.
  split; [|apply convex_below]. intro Hc. apply Rnot_lt_le. intro H.
  destruct (concave_piece H) as (x & y & Hx & Hy & Hn & F).
  pose proof (Hc x y (1 / 2) Hx Hy Hn ltac:(lra)). lra.
Qed.
End Law.
