(* Least squares in the span of the first k basis functions, with the norm at most r.

   Statement   For every square-summable target f, dimension k and radius r > 0 the best
               approximation exists, is unique, and is the radial shrinkage
                   g_i = min(1, r / ||f_{1:k}||) f_i  for i < k,  0 beyond
               ([shrink_best], [best_unique]). Without a cap on the norm it is f cut at k
               ([free_best], [free_unique]).
   Meaning     At infinite data a kernel regression of App. C.1 is this projection: it is where
               the paper's constants C and Q come from.
   Hypotheses  0 < r; sum_i f_i^2 converges.
   Source      the setting is that of Busbridge et al. 2025 (arXiv 2502.08606), App. C.1. *)
Require Import Reals Lra Lia Psatz Arith.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Sums.
Open Scope R_scope.

(* scale r a = min(1, r/a) *)
Definition scale (r a : R) : R := if Rle_dec a r then 1 else r / a.
Lemma scale_pos : forall r a, 0 < r -> 0 < scale r a.
Proof. intros; unfold scale; destruct (Rle_dec a r); [lra|]. apply Rdiv_lt_0_compat; lra. Qed.
Lemma scale_le1 : forall r a, 0 < r -> scale r a <= 1.
Proof. intros; unfold scale; destruct (Rle_dec a r); [lra|]. apply Rmult_le_reg_r with a; [lra|]. unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra. Qed.
Lemma scale_mul : forall r a, 0 < r -> 0 <= a -> scale r a * a = Rmin a r.
Proof. intros; unfold scale, Rmin; destruct (Rle_dec a r); [lra|]. field; lra. Qed.

(* e is the squared L2 distance of g from f (the excess risk of g at infinite data) *)
Definition distance2 (g f : nat -> R) (e : R) := is_series (fun i => (g i - f i) * (g i - f i)) e.
Definition in_span (k : nat) (g : nat -> R) := forall i, (k <= i)%nat -> g i = 0.
Definition fits k r g := in_span k g /\ dot k g g <= r * r.
Definition best k r f g := fits k r g /\
  forall g' e e', fits k r g' -> distance2 g f e -> distance2 g' f e' -> e <= e'.
Definition best_free k f g := in_span k g /\
  forall g' e e', in_span k g' -> distance2 g f e -> distance2 g' f e' -> e <= e'.

Lemma distance2_finite : forall k g f F2, in_span k g -> is_series (fun i => f i * f i) F2 ->
  distance2 g f (d2 k g f + (F2 - dot k f f)).
Proof.
  intros k g f F2 Hg HF.
  replace (d2 k g f + (F2 - dot k f f)) with (F2 + (d2 k g f - dot k f f)) by ring.
  unfold distance2.
  apply is_series_ext with (a := fun i => f i * f i + (g i * g i - 2 * (g i * f i))); [intros; simpl; ring|].
  apply (is_series_plus (fun i => f i * f i) (fun i => g i * g i - 2 * (g i * f i))); auto.
  replace (d2 k g f - dot k f f) with (sum (fun i => g i * g i - 2 * (g i * f i)) k).
  - apply is_series_finite. intros i Hi. rewrite Hg by auto. ring.
  - unfold d2, dot. clear. induction k; simpl; [ring|rewrite IHk; ring].
Qed.

Definition shrink k r f i := if (i <? k)%nat then scale r (nrm k f) * f i else 0.
Lemma shrink_in : forall k r f i, (i < k)%nat -> shrink k r f i = scale r (nrm k f) * f i.
Proof. intros. unfold shrink. apply Nat.ltb_lt in H. rewrite H. reflexivity. Qed.
Lemma shrink_out : forall k r f, in_span k (shrink k r f).
Proof. intros k r f i H. unfold shrink. assert ((i <? k)%nat = false) by (apply Nat.ltb_ge; lia). rewrite H0. reflexivity. Qed.

(* The certificate: |g-u|^2 - |Cu-u|^2 = (1/C)|g-Cu|^2 + ((1-C)/C)(C^2|u|^2 - |g|^2), both >= 0. *)
Theorem ball_projection_certificate : forall m r u g, 0 < r -> dot m g g <= r * r ->
  let c := scale r (nrm m u) in
  d2 m g (fun i => c * u i) <= c * (d2 m g u - d2 m (fun i => c * u i) u).
Proof.
  intros m r u g Hr Hg c. rewrite d2_expand, d2_scal, d2_expand1.
  pose proof (nrm_sq m u) as Hn. pose proof (nrm_nonneg m u) as Hn0.
  pose proof (scale_pos r (nrm m u) Hr) as HC. pose proof (scale_le1 r (nrm m u) Hr) as HC1. fold c in HC, HC1.
  pose proof (scale_mul r (nrm m u) Hr Hn0) as Hm. fold c in Hm.
  set (gg := dot m g g) in *. set (ga := dot m g u) in *. set (aa := dot m u u) in *. set (a := nrm m u) in *.
  assert (Hk : 0 <= (1 - c) * (c * c * aa - gg)).
  { unfold Rmin in Hm; destruct (Rle_dec a r) as [H|H].
    - assert (c = 1) by (unfold c, scale; fold a; destruct (Rle_dec a r); lra). rewrite H0; lra.
    - assert (c * c * aa = r * r) by (rewrite <- Hn; replace (c * c * (a * a)) with ((c * a) * (c * a)) by ring; rewrite Hm; ring).
      rewrite H0. apply Rmult_le_pos; lra. }
  assert (c * ((gg - 2 * ga + aa) - (1 - c) * (1 - c) * aa)
          = (gg - 2 * c * ga + c * c * aa) + (1 - c) * (c * c * aa - gg)) by ring.
  lra.
Qed.
Theorem ball_projection_optimal : forall m r u g, 0 < r -> dot m g g <= r * r ->
  d2 m (fun i => scale r (nrm m u) * u i) u <= d2 m g u.
Proof.
  intros m r u g Hr Hg. pose proof (ball_projection_certificate m r u g Hr Hg) as H. simpl in H.
  pose proof (scale_pos r (nrm m u) Hr). pose proof (d2_nonneg m g (fun i => scale r (nrm m u) * u i)).
  assert (0 <= d2 m g u - d2 m (fun i => scale r (nrm m u) * u i) u); [|lra].
  apply Rmult_le_reg_l with (scale r (nrm m u)); lra.
Qed.
Theorem ball_projection_feasible : forall m r u, 0 < r ->
  dot m (fun i => scale r (nrm m u) * u i) (fun i => scale r (nrm m u) * u i) <= r * r.
Proof.
  intros. rewrite dot_scal. rewrite <- nrm_sq. pose proof (nrm_nonneg m u). pose proof (scale_mul r (nrm m u) H H0).
  pose proof (scale_pos r (nrm m u) H).
  replace (scale r (nrm m u) * scale r (nrm m u) * (nrm m u * nrm m u)) with ((scale r (nrm m u) * nrm m u) * (scale r (nrm m u) * nrm m u)) by ring.
  assert (0 <= scale r (nrm m u) * nrm m u) by (apply Rmult_le_pos; lra).
  assert (scale r (nrm m u) * nrm m u <= r) by (rewrite H1; apply Rmin_r). apply Rmult_le_compat; lra.
Qed.

Section Projection.
Variables (k : nat) (r F2 : R) (f : nat -> R).
Hypothesis Hr : 0 < r.
Hypothesis HF : is_series (fun i => f i * f i) F2.

Lemma shrink_fits : fits k r (shrink k r f).
Proof.
  split; [apply shrink_out|].
  rewrite (dot_ext k _ _ (fun i => scale r (nrm k f) * f i) (fun i => scale r (nrm k f) * f i)) by (intros; apply shrink_in; auto).
  apply ball_projection_feasible; auto.
Qed.
Lemma d2_shrink : d2 k (shrink k r f) f = d2 k (fun i => scale r (nrm k f) * f i) f.
Proof. apply d2_ext; [intros; apply shrink_in; auto|reflexivity]. Qed.

Theorem shrink_best : best k r f (shrink k r f).
Proof.
  split; [apply shrink_fits|]. intros g' e e' [Hs Hn] He He'.
  rewrite (is_series_same _ _ _ He (distance2_finite k _ f F2 (shrink_out k r f) HF)).
  rewrite (is_series_same _ _ _ He' (distance2_finite k _ f F2 Hs HF)).
  rewrite d2_shrink. pose proof (ball_projection_optimal k r f g' Hr Hn). lra.
Qed.
Theorem best_unique : forall g, best k r f g -> forall i, g i = shrink k r f i.
Proof.
  intros g [[Hs Hn] Hb] i. destruct (le_lt_dec k i) as [H|H].
  { rewrite Hs, shrink_out by auto. reflexivity. }
  rewrite shrink_in by auto.
  apply (d2_zero k g (fun j => scale r (nrm k f) * f j)); auto.
  pose proof (Hb _ _ _ shrink_fits (distance2_finite k g f F2 Hs HF)
                (distance2_finite k _ f F2 (shrink_out k r f) HF)) as Hle.
  rewrite d2_shrink in Hle.
  pose proof (ball_projection_certificate k r f g Hr Hn) as Hc. simpl in Hc.
  pose proof (d2_nonneg k g (fun j => scale r (nrm k f) * f j)).
  pose proof (scale_pos r (nrm k f) Hr).
  assert (0 <= scale r (nrm k f) * (d2 k (fun j => scale r (nrm k f) * f j) f - d2 k g f)) by (apply Rmult_le_pos; lra).
  lra.
Qed.

Definition cut i := if (i <? k)%nat then f i else 0.
Lemma cut_out : in_span k cut.
Proof. intros i H. unfold cut. assert ((i <? k)%nat = false) by (apply Nat.ltb_ge; lia). rewrite H0. reflexivity. Qed.
Lemma d2_cut : d2 k cut f = 0.
Proof.
  rewrite (d2_ext k cut f f f); [|intros i H; unfold cut; apply Nat.ltb_lt in H; rewrite H; reflexivity|reflexivity].
  rewrite d2_expand1. ring.
Qed.
Theorem free_best : best_free k f cut.
Proof.
  split; [apply cut_out|]. intros g' e e' Hs He He'.
  rewrite (is_series_same _ _ _ He (distance2_finite k _ f F2 cut_out HF)).
  rewrite (is_series_same _ _ _ He' (distance2_finite k _ f F2 Hs HF)).
  rewrite d2_cut. pose proof (d2_nonneg k g' f). lra.
Qed.
Theorem free_unique : forall g, best_free k f g -> forall i, g i = cut i.
Proof.
  intros g [Hs Hb] i. destruct (le_lt_dec k i) as [H|H].
  { rewrite Hs, cut_out by auto. reflexivity. }
  pose proof (Hb _ _ _ cut_out (distance2_finite k g f F2 Hs HF) (distance2_finite k _ f F2 cut_out HF)) as Hle.
  rewrite d2_cut in Hle. pose proof (d2_nonneg k g f).
  unfold cut. pose proof H as H1. apply Nat.ltb_lt in H1. rewrite H1.
  apply (d2_zero k g f); auto. lra.
Qed.
(* A cap that does not bind changes nothing. *)
Theorem loose_cap_is_free : nrm k f <= r -> forall i, shrink k r f i = cut i.
Proof.
  intros H i. unfold shrink, cut, scale. destruct (i <? k)%nat; [|reflexivity].
  destruct (Rle_dec (nrm k f) r); lra.
Qed.
End Projection.
