(* Finite sums over the modes of an orthonormal basis, and their link with series.

   sum f m   = f 0 + ... + f (m-1)
   dot m u v = sum_{i<m} u_i v_i          d2 m u v = sum_{i<m} (u_i - v_i)^2
   nrm m u   = sqrt (dot m u u)

   A function is the sequence of its coefficients; indices start at 0, so alpha_{m+1} of the
   text is [al m] here, and [nrm m al] is the norm A_m of the first m coefficients. *)
Require Import Reals Lra Lia Psatz Arith.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

Fixpoint sum (f : nat -> R) (m : nat) : R := match m with O => 0 | S k => sum f k + f k end.
Definition dot m (u v : nat -> R) := sum (fun i => u i * v i) m.
Definition d2 m (u v : nat -> R) := sum (fun i => (u i - v i) * (u i - v i)) m.
Definition nrm m u := sqrt (dot m u u).

Lemma square_nonneg : forall x, 0 <= x * x.
Proof. intros x. pose proof (Rle_0_sqr x) as H. unfold Rsqr in H. exact H. Qed.

Lemma sum_ext : forall f g k, (forall i, (i < k)%nat -> f i = g i) -> sum f k = sum g k.
Proof. induction k; intros; simpl; [reflexivity|]. rewrite IHk, H; auto. Qed.
Lemma sum_nonneg : forall f k, (forall i, (i < k)%nat -> 0 <= f i) -> 0 <= sum f k.
Proof. induction k; intros; simpl; [lra|]. assert (0 <= f k) by auto. assert (0 <= sum f k) by auto. lra. Qed.
Lemma sum_zero : forall f k, (forall i, (i < k)%nat -> 0 <= f i) -> sum f k = 0 ->
  forall i, (i < k)%nat -> f i = 0.
Proof.
  induction k; intros Hf H i Hi; [lia|]. simpl in H.
  assert (0 <= f k) by auto. assert (0 <= sum f k) by (apply sum_nonneg; auto).
  destruct (Nat.eq_dec i k); [subst; lra|]. apply IHk; auto; try lra; lia.
Qed.
Lemma sum_stable : forall f k m, (k <= m)%nat -> (forall i, (k <= i)%nat -> f i = 0) -> sum f m = sum f k.
Proof. intros f k m H Hf. induction H; [reflexivity|]. simpl. rewrite IHle, Hf by lia. lra. Qed.

Lemma d2_expand : forall m u v c, d2 m u (fun i => c * v i) = dot m u u - 2 * c * dot m u v + c * c * dot m v v.
Proof. unfold d2, dot; induction m; intros; simpl; [ring| rewrite IHm; ring]. Qed.
Lemma d2_expand1 : forall m u v, d2 m u v = dot m u u - 2 * dot m u v + dot m v v.
Proof. unfold d2, dot; induction m; intros; simpl; [ring| rewrite IHm; ring]. Qed.
Lemma d2_nonneg : forall m u v, 0 <= d2 m u v.
Proof. intros. apply sum_nonneg. intros. apply square_nonneg. Qed.
Lemma d2_zero : forall m u v, d2 m u v = 0 -> forall i, (i < m)%nat -> u i = v i.
Proof.
  intros m u v H i Hi. unfold d2 in H.
  apply (sum_zero (fun i => (u i - v i) * (u i - v i))) with (i := i) in H; auto.
  - apply Rmult_integral in H. destruct H; lra.
  - intros. apply square_nonneg.
Qed.
Lemma d2_scal : forall m c u, d2 m (fun i => c * u i) u = (1 - c) * (1 - c) * dot m u u.
Proof. unfold d2, dot; induction m; intros; simpl; [ring| rewrite IHm; ring]. Qed.
Lemma d2_ext : forall m u v u' v', (forall i, (i < m)%nat -> u i = u' i) ->
  (forall i, (i < m)%nat -> v i = v' i) -> d2 m u v = d2 m u' v'.
Proof. intros. apply sum_ext. intros. rewrite H, H0; auto. Qed.
Lemma dot_ext : forall m u v u' v', (forall i, (i < m)%nat -> u i = u' i) ->
  (forall i, (i < m)%nat -> v i = v' i) -> dot m u v = dot m u' v'.
Proof. intros. apply sum_ext. intros. rewrite H, H0; auto. Qed.
Lemma dot_scal : forall m c d u, dot m (fun i => c * u i) (fun i => d * u i) = c * d * dot m u u.
Proof. unfold dot; induction m; intros; simpl; [ring| rewrite IHm; ring]. Qed.
Lemma dot_scal_l : forall m c u v, dot m (fun i => c * u i) v = c * dot m u v.
Proof. unfold dot; induction m; intros; simpl; [ring| rewrite IHm; ring]. Qed.
Lemma dot_nonneg : forall m u, 0 <= dot m u u.
Proof. intros. apply sum_nonneg. intros. apply square_nonneg. Qed.
Lemma dot_mono : forall m k u, (m <= k)%nat -> dot m u u <= dot k u u.
Proof. intros m k u H. induction H; [lra|]. unfold dot in *; simpl. pose proof (square_nonneg (u m0)). lra. Qed.
Lemma nrm_sq : forall m u, nrm m u * nrm m u = dot m u u.
Proof. intros; unfold nrm; apply sqrt_sqrt, dot_nonneg. Qed.
Lemma nrm_nonneg : forall m u, 0 <= nrm m u. Proof. intros; apply sqrt_pos. Qed.

(* ---- series ---- *)
Lemma sum_n_sum : forall f k, sum_n f k = sum f (S k).
Proof.
  induction k.
  - rewrite sum_O. symmetry. apply Rplus_0_l.
  - rewrite sum_Sn, IHk. reflexivity.
Qed.
Lemma is_series_finite : forall (f : nat -> R) k, (forall i, (k <= i)%nat -> f i = 0) -> is_series f (sum f k).
Proof.
  intros f k Hf. change (is_lim_seq (sum_n f) (sum f k)).
  apply is_lim_seq_ext_loc with (u := fun _ => sum f k); [|apply is_lim_seq_const].
  exists k. intros m Hm. rewrite sum_n_sum. symmetry. apply sum_stable; [lia|auto].
Qed.
Lemma partial_sum_le : forall (f : nat -> R) (e : R), (forall i, 0 <= f i) -> is_series f e -> forall k, sum f k <= e.
Proof.
  intros f e Hf He k.
  assert (L : is_lim_seq (fun m => sum f m) e).
  { apply is_lim_seq_incr_1. apply is_lim_seq_ext with (u := sum_n f); [intros; apply sum_n_sum|exact He]. }
  assert (M : forall m, sum f m <= sum f (S m)) by (intros; simpl; specialize (Hf m); lra).
  apply (is_lim_seq_incr_compare (fun m => sum f m) e L M k).
Qed.
Lemma is_series_same : forall (f : nat -> R) (a b : R), is_series f a -> is_series f b -> a = b.
Proof. intros f a b Ha Hb. rewrite <- (is_series_unique f a Ha). apply is_series_unique; auto. Qed.
