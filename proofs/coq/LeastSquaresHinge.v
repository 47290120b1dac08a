(* Two-stage least squares on finite samples: the hinge law and the boundary of the gap.

   lam_i >= 0, beta_i   spectrum and target; t m = total - sum_{i<m} lam_i beta_i^2, the target's
                        energy beyond the first m modes
   v m                  excess variance per mode of the teacher, theta = n/(n_S - n - 1) >= 0
   E_T m = t m + m v m
   E_S m = E_T m for m <= n,  t n + n v m + theta ((t n - t m) + (m - n) v m) for m >= n
   ([E_T], [E_S] take these expectations over Gaussian samples as definitions.)

   Statements  [hinge_law]      perfect teacher (v = 0): for every m
                                E_S = max(E_T, (1 + theta) t_n - theta E_T);
               [hinge_minimum]  m = n is then a global minimiser;
               [hinge_rises_iff] beyond n the error rises at m iff theta > 0 and
                                lam_m beta_m^2 > 0;
               [gap_boundary]   for any teacher, m > n beats m = n iff
                                theta ((t_n - t_m) + (m - n) v_m) < n (v_n - v_m).
   Meaning     Without any cap on norms, finite samples of the student make the gap: slope +1
               in teacher error, then -theta. The law vanishes as the student's samples grow.
   Hypotheses  lam_i >= 0, theta >= 0; every n, m, spectrum and target.
   Source      closed form of this project. *)
Require Import Reals Lra Lia Psatz Arith.
Require Import CapGap.Sums.
Open Scope R_scope.

Section Hinge.
Variables (lam beta : nat -> R) (total theta : R) (v : nat -> R) (n : nat).
Hypothesis Hlam : forall i, 0 <= lam i.
Hypothesis Htheta : 0 <= theta.

Definition t m := total - sum (fun i => lam i * (beta i * beta i)) m.
Definition E_T m := t m + INR m * v m.
Definition E_S m := if (m <=? n)%nat then E_T m
  else t n + INR n * v m + theta * ((t n - t m) + (INR m - INR n) * v m).

Lemma t_step : forall m, t m = t (S m) + lam m * (beta m * beta m).
Proof. intros. unfold t. simpl. ring. Qed.
Lemma mode_nonneg : forall m, 0 <= lam m * (beta m * beta m).
Proof. intros. apply Rmult_le_pos; auto. apply square_nonneg. Qed.
Lemma t_anti : forall m k, (m <= k)%nat -> t k <= t m.
Proof. intros m k H. induction H; [lra|]. pose proof (t_step m0). pose proof (mode_nonneg m0). lra. Qed.
Lemma E_S_small : forall m, (m <= n)%nat -> E_S m = E_T m.
Proof. intros. unfold E_S. apply Nat.leb_le in H. rewrite H. reflexivity. Qed.
Lemma E_S_large : forall m, (n <= m)%nat ->
  E_S m = t n + INR n * v m + theta * ((t n - t m) + (INR m - INR n) * v m).
Proof.
  intros. unfold E_S. destruct (m <=? n)%nat eqn:E; [|reflexivity].
  apply Nat.leb_le in E. assert (m = n) by lia. subst. unfold E_T. ring.
Qed.

Theorem gap_boundary : forall m, (n < m)%nat ->
  (E_S m < E_S n <-> theta * ((t n - t m) + (INR m - INR n) * v m) < INR n * (v n - v m)).
Proof. intros. rewrite (E_S_large m), (E_S_small n) by lia. unfold E_T. split; intros; lra. Qed.

Section Perfect.
Hypothesis Hv : forall m, v m = 0.
Lemma perfect_teacher : forall m, E_T m = t m.
Proof. intros. unfold E_T. rewrite Hv. ring. Qed.
Theorem hinge_law : forall m, E_S m = Rmax (E_T m) ((1 + theta) * t n - theta * E_T m).
Proof.
  intros m. destruct (le_lt_dec m n) as [h|h].
  - rewrite E_S_small, !perfect_teacher by auto. pose proof (t_anti m n h).
    assert (0 <= (1 + theta) * (t m - t n)) by (apply Rmult_le_pos; lra). rewrite Rmax_left; lra.
  - rewrite E_S_large, !perfect_teacher by lia. rewrite Hv. pose proof (t_anti n m ltac:(lia)).
    assert (0 <= (1 + theta) * (t n - t m)) by (apply Rmult_le_pos; lra). rewrite Rmax_right; lra.
Qed.
Theorem hinge_minimum : forall m, E_S n <= E_S m.
Proof.
  intros m. rewrite (E_S_small n), perfect_teacher by lia. rewrite hinge_law, perfect_teacher.
  destruct (Rle_lt_dec (t n) (t m)); [eapply Rle_trans; [|apply Rmax_l]; auto|].
  eapply Rle_trans; [|apply Rmax_r]. assert (0 <= theta * (t n - t m)) by (apply Rmult_le_pos; lra). lra.
Qed.
Theorem hinge_rises_iff : forall m, (n <= m)%nat ->
  (E_S m < E_S (S m) <-> 0 < theta /\ 0 < lam m * (beta m * beta m)).
Proof.
  intros m Hm. rewrite !E_S_large by lia. rewrite !Hv. rewrite (t_step m).
  pose proof (mode_nonneg m) as Hq. set (q := lam m * (beta m * beta m)) in *. split.
  - intro H. assert (P : 0 < theta * q) by lra.
    split; apply Rnot_le_lt; intro hl.
    + assert (theta = 0) by lra. subst theta. lra.
    + assert (E : q = 0) by lra. rewrite E in P. lra.
  - intros [H1 H2]. assert (0 < theta * q) by (apply Rmult_lt_0_compat; auto). lra.
Qed.
End Perfect.
End Hinge.
