(* When a student beats its teacher: the gain identity (weak to strong).

   g teacher, f target, V the student's subspace, h the student, p the best element of V for f;
   v = g - h what the student cannot copy, b = f - p what it cannot express.

   Statements  [gain_identity]      ||g - f||^2 - ||h - f||^2 = ||v||^2 - 2 <v, b>;
               [realisable_gain]    b = 0: the gain is the misfit ||v||^2, so h never loses;
               [weak_to_strong_iff] the student is better iff 2 <v, b> < ||v||^2;
               [convex_gain]        V convex, f in V: the gain is at least the misfit;
               [minimiser_orthogonal] a least-squares student in a subspace has residual
                                    orthogonal to it (so the hypotheses are those of training).
   Meaning     A student gains from what it cannot copy of its teacher, unless that is what it
               cannot express of the target either. In App. C.1 the subspaces are nested and
               the student never wins; here is what it takes.
   Hypotheses  any number d of coordinates; V closed under the operations named.
   Source      Charikar et al. 2024 (arXiv 2405.15116) for b = 0; the rest of this project. *)
Require Import Reals Lra Lia Psatz Arith.
Require Import CapGap.Sums.
Open Scope R_scope.

Definition minus (u v : nat -> R) i := u i - v i.
Definition along (t : R) (u v : nat -> R) i := u i + t * (v i - u i).
Definition subspace (V : (nat -> R) -> Prop) := forall u v t, V u -> V v -> V (fun i => u i + t * v i).

Lemma d2_dot : forall d u v, d2 d u v = dot d (minus u v) (minus u v).
Proof. reflexivity. Qed.
Lemma split_error : forall d g h p f,
  d2 d g f - d2 d h f = d2 d g h + 2 * dot d (minus g h) (minus h p) - 2 * dot d (minus g h) (minus f p).
Proof. intros. unfold d2, dot, minus. induction d; simpl; [ring|]. lra. Qed.
Lemma dot_combination : forall d u v w t, dot d u (fun i => v i + t * w i) = dot d u v + t * dot d u w.
Proof. intros. unfold dot. induction d; simpl; [ring|rewrite IHd; ring]. Qed.

Section Gain.
Variables (d : nat) (V : (nat -> R) -> Prop) (f g h p : nat -> R).

Theorem gain_identity : subspace V -> V h -> V p ->
  (forall u, V u -> dot d (minus g h) u = 0) ->
  d2 d g f - d2 d h f = d2 d g h - 2 * dot d (minus g h) (minus f p).
Proof.
  intros HV Hh Hp Ho. rewrite (split_error d g h p f).
  assert (E : dot d (minus g h) (minus h p) = 0).
  { rewrite <- (Ho (fun i => h i + -1 * p i)); [|apply HV; auto].
    apply dot_ext; intros; unfold minus; ring. }
  rewrite E. ring.
Qed.
Theorem realisable_gain : subspace V -> V h -> V f ->
  (forall u, V u -> dot d (minus g h) u = 0) -> d2 d g f - d2 d h f = d2 d g h.
Proof.
  intros HV Hh Hf Ho. rewrite (split_error d g h f f).
  assert (E : dot d (minus g h) (minus h f) = 0).
  { rewrite <- (Ho (fun i => h i + -1 * f i)); [|apply HV; auto]. apply dot_ext; intros; unfold minus; ring. }
  assert (Z : dot d (minus g h) (minus f f) = 0).
  { rewrite (dot_ext d _ (minus f f) (minus g h) (fun i => 0 * f i)) by (intros; unfold minus; ring).
    clear. unfold dot. induction d; simpl; [ring|rewrite IHn; ring]. }
  lra.
Qed.
Theorem weak_to_strong_iff : subspace V -> V h -> V p ->
  (forall u, V u -> dot d (minus g h) u = 0) ->
  (d2 d h f < d2 d g f <-> 2 * dot d (minus g h) (minus f p) < d2 d g h).
Proof. intros HV Hh Hp Ho. pose proof (gain_identity HV Hh Hp Ho). lra. Qed.

(* A small step along a feasible direction cannot lower the student's loss. *)
Lemma first_order : (forall t, 0 < t <= 1 -> d2 d g h <= d2 d g (along t h p)) ->
  dot d (minus g h) (minus p h) <= 0.
Proof.
  intros Hmin.
  assert (E : forall t, d2 d g (along t h p) = d2 d g h - 2 * t * dot d (minus g h) (minus p h) + t * t * d2 d p h).
  { intros t. clear. unfold d2, dot, minus, along. induction d; simpl; [ring|]. rewrite IHn. ring. }
  apply Rnot_lt_le. intro Hpos. set (x := dot d (minus g h) (minus p h)) in *.
  pose proof (d2_nonneg d p h) as Hq. set (q := d2 d p h) in *.
  assert (Ht : 0 < x / (x + q) <= 1).
  { split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_le_reg_r with (x + q); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  specialize (Hmin _ Ht). rewrite E in Hmin. set (t := x / (x + q)) in *.
  assert (F : t * (x + q) = x) by (unfold t; field; lra).
  assert (t * q < x) by (assert (0 < t * x) by (apply Rmult_lt_0_compat; lra); lra).
  assert (0 < t * (2 * x - t * q)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
End Gain.

Theorem convex_gain : forall d (V : (nat -> R) -> Prop) f g h,
  (forall u v t, V u -> V v -> 0 < t <= 1 -> V (along t u v)) -> V h -> V f ->
  (forall u, V u -> d2 d g h <= d2 d g u) -> d2 d h f + d2 d g h <= d2 d g f.
Proof.
  intros d V f g h HV Hh Hf Hmin.
  assert (O : dot d (minus g h) (minus f h) <= 0).
  { apply first_order. intros t Ht. apply Hmin, HV; auto. }
  assert (E : d2 d g f = d2 d g h + d2 d h f - 2 * dot d (minus g h) (minus f h)).
  { clear. unfold d2, dot, minus. induction d; simpl; [ring|]. rewrite IHd. ring. }
  lra.
Qed.

Theorem minimiser_orthogonal : forall d V g h, subspace V -> V h ->
  (forall u, V u -> d2 d g h <= d2 d g u) -> forall u, V u -> dot d (minus g h) u = 0.
Proof.
  intros d V g h HV Hh Hmin u Hu.
  assert (K : forall c, dot d (minus g h) (minus (fun i => h i + c * u i) h) <= 0).
  { intros c. apply first_order. intros t Ht.
    rewrite (d2_ext d g (along t h (fun i => h i + c * u i)) g (fun i => h i + (t * c) * u i))
      by (intros; unfold along; ring).
    apply Hmin, HV; auto. }
  assert (L : forall c, dot d (minus g h) (minus (fun i => h i + c * u i) h) = c * dot d (minus g h) u).
  { intros c. clear. unfold dot, minus. induction d; simpl; [ring|rewrite IHd; ring]. }
  pose proof (K 1) as K1. pose proof (K (-1)) as K2. rewrite L in K1, K2. lra.
Qed.
