(* The capacity gap: where a stronger teacher makes a worse student, completely.

   Notation as in KernelModel.v; onset = max(A_n, T, T A_n / D).

   Statements  (i)   [left_strict_iff]      m < n:  ES(m+1) < ES(m) iff alpha_{m+1} <> 0.
               (ii)  [right_nondecreasing]  m >= n: ES never falls;
                     [right_strict_iff]     it rises at m iff A_n > 0, alpha_{m+1} <> 0 and
                                            A_{m+1} > max(T, T A_n / D).
               (iii) [m_eq_n_optimal]       m = n is a global minimiser;
                     [argmin_iff]           the minimisers are exactly the m with
                                            A_n <= A_m <= onset, if A_n > 0;
                     [argmin_trivial]       every m, if A_n = 0;
                     [strict_U_iff]         a strict U exists iff A_n > 0 and some A_m > onset,
                     [strict_U_iff_norm]    that is iff A_n > 0 and onset < ||f*||.
               (iv)  [no_gap_if_loose]      T >= ||f*||: the right branch is flat;
                     [delayed_onset_iff]    the student's cap delays the onset beyond
                                            max(A_n, T) iff D < min(A_n, T);
                     [flat_floor]           ES(m) = ES(n) for every m >= n with A_m <= onset.
               (v)   [no_weak_to_strong]    ES(m) >= ET(m) for every m.
               (vi)  [law_of_the_model]     m >= n, T binding, D loose: with
                                            s = 2 T^2 / (||f*||^2 + T^2 - ET),
                                            ES = ||f*||^2 - A_n^2 s (2 - s);
                     [better_teacher_worse_student]  there ES falls as ET grows.
               (vii) [height_of_the_gap]    the limit of ES as m grows.
               [capacity_gap] says (i), (ii), (iii), (v) of any constrained minimisers.
   Meaning     In this model the best teacher is as wide as the student, the curve is a U with
               a flat floor, and a student never beats its teacher.
   Hypotheses  0 < T, 0 < D, sum_i al_i^2 converges; n, m and the sequence are arbitrary.
   Source      theorem of this project on the model of Busbridge et al. 2025
               (arXiv 2502.08606), App. C.1, whose own proof misses the flat floor. *)
Require Import Reals Lra Lia Psatz Arith.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Sums CapGap.BallProjection CapGap.KernelModel.
Open Scope R_scope.

Lemma scale_anti : forall r x y, 0 < r -> 0 <= x -> x <= y -> scale r y <= scale r x.
Proof.
  intros. unfold scale. destruct (Rle_dec y r), (Rle_dec x r); try lra.
  - apply Rmult_le_reg_r with y; [lra|]. unfold Rdiv; rewrite Rmult_assoc, Rinv_l; lra.
  - unfold Rdiv. apply Rmult_le_compat_l; [lra|]. apply Rinv_le_contravar; lra. Qed.
Lemma le_div_iff : forall a b c, 0 < c -> (a <= b / c <-> a * c <= b).
Proof.
  intros. split; intros.
  - apply Rmult_le_compat_r with (r := c) in H0; [|lra]. unfold Rdiv in H0. rewrite Rmult_assoc, Rinv_l in H0; lra.
  - apply Rmult_le_reg_r with c; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.
Lemma div_lt_iff : forall a b c, 0 < c -> (b / c < a <-> b < a * c).
Proof. intros. pose proof (le_div_iff a b c H). split; intros; apply Rnot_le_lt; intro; apply H0 in H2 || apply <- H0 in H2; lra. Qed.
Lemma lt_div_iff : forall a b c, 0 < c -> (a < b / c <-> a * c < b).
Proof.
  intros. split; intros.
  - apply Rmult_lt_compat_r with (r := c) in H0; [|lra]. unfold Rdiv in H0. rewrite Rmult_assoc, Rinv_l in H0; lra.
  - apply Rmult_lt_reg_r with c; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.
Lemma below_max : forall x a b, Rmax a b < x <-> a < x /\ b < x.
Proof. intros. unfold Rmax. destruct (Rle_dec a b); split; intros; lra. Qed.

Section Gap.
Variable al : nat -> R.
Variables T D F2 : R.
Hypothesis HT : 0 < T.
Hypothesis HD : 0 < D.
Hypothesis HF : is_series (fun i => al i * al i) F2.
Variable n : nat.
Notation A := (A al).
Notation ES := (ES al T D F2 n).
Notation ET := (ET al T F2).
Notation s := (s al T D n).
Let A_nonneg := A_nonneg al.
Let A_mono := A_mono al.

Definition onset := Rmax (A n) (Rmax T (T * A n / D)).

Lemma cap_pos : 0 < Rmin T D. Proof. apply Rmin_glb_lt; auto. Qed.
Lemma s_range : forall m, 0 < s m <= 1.
Proof. intros; unfold s. pose proof (scale_pos T (A m) HT). pose proof (scale_pos D (A n) HD). pose proof (scale_le1 T (A m) HT). split. apply Rmin_glb_lt; auto. eapply Rle_trans; [apply Rmin_l| auto]. Qed.
Lemma s_anti : forall m k, (m <= k)%nat -> s k <= s m.
Proof. intros. unfold s. apply Rmin_glb. eapply Rle_trans; [apply Rmin_l|]. apply scale_anti; auto. apply Rmin_r. Qed.

(* ---- (i) ---- *)
Theorem left_strict_iff : forall m, (m < n)%nat -> (ES (S m) < ES m <-> al m <> 0).
Proof.
  intros. rewrite !ES_small by (auto; lia). split; intro H0.
  - intro Hz. rewrite (A_stay al m Hz) in H0. lra.
  - pose proof (phi_strict (Rmin T D) (A m) (A (S m)) cap_pos (A_nonneg m) (A_step al m H0)). lra.
Qed.
Theorem left_nonincreasing : forall m k, (m <= k)%nat -> (k <= n)%nat -> ES k <= ES m.
Proof.
  intros. rewrite !ES_small by (auto; lia).
  pose proof (phi_mono (Rmin T D) (A m) (A k) cap_pos (A_nonneg m) (A_mono m k H)). lra.
Qed.

(* ---- (ii) ---- *)
Theorem right_nondecreasing : forall m k, (n <= m)%nat -> (m <= k)%nat -> ES m <= ES k.
Proof.
  intros. rewrite !ES_large by (auto; lia). pose proof (s_anti m k H0). pose proof (s_range m). pose proof (s_range k).
  assert (0 <= (s m - s k) * (2 - s m - s k)) by (apply Rmult_le_pos; lra).
  pose proof (square_nonneg (A n)).
  assert (A n * A n * (s k * (2 - s k)) <= A n * A n * (s m * (2 - s m))) by (apply Rmult_le_compat_l; lra). lra. Qed.

Lemma error_order : forall m k, (n <= m)%nat -> (n <= k)%nat -> 0 < A n -> (ES m < ES k <-> s k < s m).
Proof.
  intros m k Hm Hk Ha. rewrite !ES_large by (auto; lia).
  pose proof (s_range m). pose proof (s_range k).
  assert (Hp : 0 < A n * A n) by (apply Rmult_lt_0_compat; lra).
  assert (E : (F2 - A n * A n * (s k * (2 - s k))) - (F2 - A n * A n * (s m * (2 - s m)))
              = A n * A n * ((s m - s k) * (2 - s m - s k))) by ring.
  split; intro Hlt.
  - apply Rnot_le_lt. intro Hle.
    assert (0 <= (s k - s m) * (2 - s m - s k)) by (apply Rmult_le_pos; lra).
    assert (0 <= A n * A n * ((s k - s m) * (2 - s m - s k))) by (apply Rmult_le_pos; lra). lra.
  - assert (0 < (s m - s k) * (2 - s m - s k)) by (apply Rmult_lt_0_compat; lra).
    assert (0 < A n * A n * ((s m - s k) * (2 - s m - s k))) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma shrinkage_order : forall m k, (n <= m)%nat -> (m <= k)%nat -> 0 < A n ->
  (s k < s m <-> A m < A k /\ T < A k /\ T * A n / D < A k).
Proof.
  intros m k Hm Hk Ha. pose proof (A_mono n m Hm). pose proof (A_mono m k Hk).
  pose proof (scale_pos D (A n) HD) as Hsc. assert (Hak : 0 < A k) by lra. split.
  - intro Hs. repeat split; apply Rnot_le_lt; intro Hle.
    + assert (A k = A m) by lra. unfold s in Hs. rewrite H1 in Hs. lra.
    + unfold s, scale in Hs. destruct (Rle_dec (A k) T), (Rle_dec (A m) T); lra.
    + assert (Hd : scale D (A n) <= scale T (A k)).
      { unfold scale at 2. destruct (Rle_dec (A k) T); [apply scale_le1; auto|].
        apply le_div_iff; auto. apply le_div_iff in Hle; auto.
        unfold scale. destruct (Rle_dec (A n) D) as [h|h].
        - apply Rmult_le_reg_r with D; auto. apply Rle_trans with (T * A n); [lra|]. apply Rmult_le_compat_l; lra.
        - apply Rmult_le_reg_r with (A n); auto. replace (D / A n * A k * A n) with (A k * D) by (field; lra). lra. }
      assert (scale T (A k) <= scale T (A m)) by (apply scale_anti; auto).
      unfold s in Hs. rewrite !Rmin_right in Hs by lra. lra.
  - intros (H1 & H2 & H3). apply div_lt_iff in H3; auto. unfold s.
    assert (E1 : scale T (A k) = T / A k) by (unfold scale; destruct (Rle_dec (A k) T); lra). rewrite E1.
    eapply Rle_lt_trans; [apply Rmin_l|]. apply Rmin_glb_lt.
    + unfold scale; destruct (Rle_dec (A m) T); [apply div_lt_iff; lra|].
      unfold Rdiv. apply Rmult_lt_compat_l; [lra|]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra| lra].
    + unfold scale; destruct (Rle_dec (A n) D); [apply div_lt_iff; lra|].
      apply div_lt_iff; auto. apply Rmult_lt_reg_r with (A n); auto.
      replace (D / A n * A k * A n) with (A k * D) by (field; lra). lra.
Qed.

Lemma no_target_no_error_change : A n = 0 -> forall m, ES m = F2.
Proof.
  intros H m. destruct (le_lt_dec n m) as [h|h].
  - rewrite ES_large by auto. rewrite H. ring.
  - rewrite ES_small by (auto; lia). assert (A m = 0) as ->.
    { pose proof (A_mono m n ltac:(lia)). pose proof (A_nonneg m). lra. }
    pose proof cap_pos. unfold phi. destruct (Rle_dec 0 (Rmin T D)); lra.
Qed.

Theorem right_strict_iff : forall m, (n <= m)%nat ->
  (ES m < ES (S m) <-> 0 < A n /\ al m <> 0 /\ Rmax T (T * A n / D) < A (S m)).
Proof.
  intros m Hm. rewrite below_max. split.
  - intro H. assert (Ha : 0 < A n).
    { destruct (A_nonneg n) as [h|h]; auto. rewrite !(no_target_no_error_change (eq_sym h)) in H. lra. }
    apply (error_order m (S m)) in H; [|lia|lia|auto].
    apply shrinkage_order in H; [|lia|lia|auto]. destruct H as (H1 & H2 & H3).
    repeat split; auto. intro Hz. rewrite (A_stay al m Hz) in H1. lra.
  - intros (Ha & Hz & H2 & H3). apply error_order; auto.
    apply shrinkage_order; auto. split; [apply A_step; auto|split; auto].
Qed.

(* ---- (iii) ---- *)
Theorem m_eq_n_optimal : forall m, ES n <= ES m.
Proof. intros. destruct (le_lt_dec n m). apply right_nondecreasing; lia. apply left_nonincreasing; lia. Qed.

Lemma beyond_iff : forall m, (n <= m)%nat -> 0 < A n -> (ES n < ES m <-> onset < A m).
Proof.
  intros m Hm Ha. rewrite error_order, shrinkage_order by auto.
  unfold onset. rewrite !below_max. tauto.
Qed.
Theorem argmin_iff : 0 < A n -> forall m, ((forall k, ES m <= ES k) <-> A n <= A m <= onset).
Proof.
  intros Ha m. split.
  - intro H. assert (E : ES m <= ES n) by apply H. destruct (le_lt_dec n m) as [h|h].
    + split; [auto|]. apply Rnot_lt_le. intro Hb. apply beyond_iff in Hb; auto. lra.
    + assert (Hge : A n <= A m).
      { apply Rnot_lt_le. intro Hl. rewrite !ES_small in E by (auto; lia).
        pose proof (phi_strict (Rmin T D) (A m) (A n) cap_pos (A_nonneg m) Hl). lra. }
      split; auto. apply Rle_trans with (A n); [apply A_mono; lia|apply Rmax_l].
  - intros [H1 H2] k. apply Rle_trans with (ES n); [|apply m_eq_n_optimal].
    destruct (le_lt_dec n m) as [h|h].
    + apply Rnot_lt_le. intro Hb. apply beyond_iff in Hb; auto. lra.
    + assert (E : A m = A n) by (pose proof (A_mono m n ltac:(lia)); lra).
      rewrite !ES_small by (auto; lia). rewrite E. lra.
Qed.
Theorem argmin_trivial : A n = 0 -> forall m k, ES m <= ES k.
Proof. intros. rewrite !no_target_no_error_change by auto. lra. Qed.
Theorem argmin_contiguous : forall l m r, (l <= m <= r)%nat ->
  (forall k, ES l <= ES k) -> (forall k, ES r <= ES k) -> forall k, ES m <= ES k.
Proof.
  intros l m r Hlr Hl Hr. destruct (A_nonneg n) as [h|h]; [|apply argmin_trivial; auto].
  apply argmin_iff; auto. apply argmin_iff in Hl; auto. apply argmin_iff in Hr; auto.
  pose proof (A_mono l m ltac:(lia)). pose proof (A_mono m r ltac:(lia)). lra.
Qed.

Definition strict_U := exists l r, (l < n < r)%nat /\ ES n < ES l /\ ES n < ES r.
Theorem strict_U_iff : strict_U <-> 0 < A n /\ exists m, onset < A m.
Proof.
  split.
  - intros (l & r & Hlr & Hl & Hr). assert (Ha : 0 < A n).
    { destruct (A_nonneg n) as [h|h]; auto. rewrite !(no_target_no_error_change (eq_sym h)) in Hr. lra. }
    split; auto. exists r. apply beyond_iff; auto. lia.
  - intros [Ha [m Hm]].
    assert (Hn : (0 < n)%nat).
    { destruct n; [|lia]. unfold KernelModel.A, nrm, dot in Ha. simpl in Ha. rewrite sqrt_0 in Ha. lra. }
    assert (Hnm : (n < m)%nat).
    { apply Nat.nle_gt. intro h. pose proof (A_mono m n h). pose proof (Rmax_l (A n) (Rmax T (T * A n / D))).
      unfold onset in Hm. lra. }
    exists O, m. split; [lia|]. split.
    + rewrite !ES_small by (auto; lia).
      assert (Z : A 0 < A n) by (unfold KernelModel.A at 1, nrm, dot; simpl; rewrite sqrt_0; auto).
      pose proof (phi_strict (Rmin T D) (A 0) (A n) cap_pos (A_nonneg O) Z). lra.
    + apply beyond_iff; auto. lia.
Qed.
Theorem strict_U_iff_norm : strict_U <-> 0 < A n /\ onset < sqrt F2.
Proof.
  rewrite strict_U_iff. split; intros [Ha H]; split; auto.
  - destruct H as [m Hm]. apply Rlt_le_trans with (A m); auto. apply A_le_F; auto.
  - assert (L := A_limit al F2 HF). apply is_lim_seq_spec in L.
    destruct (L (mkposreal (sqrt F2 - onset) ltac:(lra))) as [N HN].
    specialize (HN N (le_n N)). simpl in HN. apply Rabs_def2 in HN. exists N. lra.
Qed.

(* ---- (iv) ---- *)
Theorem flat_floor : forall m, (n <= m)%nat -> A m <= onset -> ES m = ES n.
Proof.
  intros m Hm H. pose proof (right_nondecreasing n m (le_n n) Hm).
  destruct (A_nonneg n) as [h|h]; [|rewrite !no_target_no_error_change by auto; reflexivity].
  apply Rle_antisym; auto. apply Rnot_lt_le. intro Hb. apply beyond_iff in Hb; auto. lra.
Qed.
Theorem no_gap_if_loose : sqrt F2 <= T -> forall m, (n <= m)%nat -> ES m = ES n.
Proof.
  intros H m Hm. apply flat_floor; auto. apply Rle_trans with (sqrt F2); [apply A_le_F; auto|].
  apply Rle_trans with T; auto. unfold onset. eapply Rle_trans; [apply Rmax_l|apply Rmax_r].
Qed.
Theorem delayed_onset_iff : Rmax (A n) T < onset <-> D < Rmin (A n) T.
Proof.
  assert (I : forall x, x < T * A n / D <-> x * D < T * A n) by (intros; apply lt_div_iff; auto).
  pose proof (A_nonneg n) as Hn. split.
  - intro H. unfold onset in H.
    assert (H1 : A n < T * A n / D /\ T < T * A n / D).
    { revert H. unfold Rmax. destruct (Rle_dec T (T * A n / D)); repeat match goal with |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y) end; lra. }
    destruct H1 as [H1 H2]. apply I in H1. apply I in H2.
    apply Rmin_glb_lt; apply Rnot_le_lt; intro hl.
    + assert (T * A n <= T * D) by (apply Rmult_le_compat_l; lra). lra.
    + assert (A n * T <= A n * D) by (apply Rmult_le_compat_l; lra). lra.
  - intro H. assert (H1 : D < A n) by (eapply Rlt_le_trans; [exact H|apply Rmin_l]).
    assert (H2 : D < T) by (eapply Rlt_le_trans; [exact H|apply Rmin_r]).
    assert (E1 : A n < T * A n / D) by (apply I; rewrite (Rmult_comm T); apply Rmult_lt_compat_l; lra).
    assert (E2 : T < T * A n / D) by (apply I; apply Rmult_lt_compat_l; lra).
    apply Rlt_le_trans with (T * A n / D); [apply Rmax_lub_lt; auto|].
    unfold onset. eapply Rle_trans; [apply Rmax_r|apply Rmax_r].
Qed.

(* ---- (v) ---- *)
Theorem no_weak_to_strong : forall m, ET m <= ES m.
Proof.
  intros m. rewrite ET_closed by auto. destruct (le_lt_dec n m) as [h|h].
  - rewrite ES_large, phi_scale by auto.
    pose proof (s_range m). pose proof (A_mono n m h). pose proof (A_nonneg n).
    assert (Hc : s m <= scale T (A m)) by apply Rmin_l. pose proof (scale_le1 T (A m) HT).
    assert (0 <= (scale T (A m) - s m) * (2 - scale T (A m) - s m)) by (apply Rmult_le_pos; lra).
    assert (A n * A n <= A m * A m) by (apply Rmult_le_compat; lra).
    assert (A n * A n * (s m * (2 - s m)) <= A m * A m * (scale T (A m) * (2 - scale T (A m)))); [|lra].
    apply Rmult_le_compat; try lra. apply square_nonneg. apply Rmult_le_pos; lra.
  - rewrite ES_small by (auto; lia).
    pose proof (phi_mono_cap (Rmin T D) T (A m) cap_pos (Rmin_l T D) (A_nonneg m)). lra.
Qed.

(* ---- (vi) ---- *)
Theorem law_of_the_model : forall m, (n <= m)%nat -> T <= A m -> T * A n <= D * A m ->
  let s := 2 * (T * T) / (F2 + T * T - ET m) in ES m = F2 - A n * A n * (s * (2 - s)).
Proof.
  intros m Hm Ht Hd. cbv zeta. rewrite ES_large by auto.
  pose proof (A_nonneg n).
  assert (E1 : F2 + T * T - ET m = 2 * T * A m).
  { rewrite ET_closed by auto. unfold phi. destruct (Rle_dec (A m) T); [assert (A m = T) as -> by lra|]; ring. }
  assert (E2 : scale T (A m) = T / A m) by (unfold scale; destruct (Rle_dec (A m) T); [assert (A m = T) as -> by lra; field; lra|reflexivity]).
  assert (E3 : T / A m <= scale D (A n)).
  { unfold scale. destruct (Rle_dec (A n) D).
    - apply Rmult_le_reg_r with (A m); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
    - apply le_div_iff; [lra|]. apply Rmult_le_reg_r with (A m); [lra|]. replace (T / A m * A n * A m) with (T * A n) by (field; lra). lra. }
  replace (s m) with (2 * (T * T) / (F2 + T * T - ET m)); [reflexivity|].
  rewrite E1. unfold s. rewrite E2, Rmin_left by auto. field. lra.
Qed.
Theorem better_teacher_worse_student : forall m k, (n <= m)%nat -> (n <= k)%nat -> 0 < A n ->
  onset < A k -> ET k < ET m -> ES m < ES k.
Proof.
  intros m k Hm Hk Ha Ho Ht.
  assert (Hmk : (m < k)%nat).
  { apply Nat.nle_gt. intro h. rewrite !ET_closed in Ht by auto.
    pose proof (phi_mono T (A k) (A m) HT (A_nonneg k) (A_mono k m h)). lra. }
  unfold onset in Ho. rewrite !below_max in Ho. destruct Ho as (_ & H1 & H2).
  apply error_order; auto. apply shrinkage_order; auto; [lia|]. split; [|split; auto].
  destruct (A_mono m k ltac:(lia)) as [|E]; auto. rewrite !ET_closed in Ht by auto. rewrite E in Ht. lra.
Qed.

(* ---- (vii) ---- *)
Lemma scale_alt : forall r a, 0 < r -> scale r a = r / Rmax a r.
Proof.
  intros. unfold scale, Rmax. destruct (Rle_dec a r); [field; lra|reflexivity].
Qed.
Theorem height_of_the_gap :
  let s := Rmin (scale T (sqrt F2)) (scale D (A n)) in
  is_lim_seq ES (F2 - A n * A n * (s * (2 - s))).
Proof.
  intro s0.
  assert (L : is_lim_seq s s0).
  { apply is_lim_seq_ext with (u := fun m => (scale T (A m) + scale D (A n) - Rabs (scale T (A m) - scale D (A n))) / 2).
    { intros m. unfold s, Rmin, Rabs. destruct (Rle_dec (scale T (A m)) (scale D (A n))), (Rcase_abs (scale T (A m) - scale D (A n))); lra. }
    replace s0 with ((scale T (sqrt F2) + scale D (A n) - Rabs (scale T (sqrt F2) - scale D (A n))) / 2)
      by (unfold s0, Rmin, Rabs; destruct (Rle_dec (scale T (sqrt F2)) (scale D (A n))), (Rcase_abs (scale T (sqrt F2) - scale D (A n))); lra).
    assert (LT : is_lim_seq (fun m => scale T (A m)) (scale T (sqrt F2))).
    { apply is_lim_seq_ext with (u := fun m => T / ((A m + T + Rabs (A m - T)) / 2)).
      { intros m. rewrite scale_alt by auto. f_equal. unfold Rmax, Rabs. destruct (Rle_dec (A m) T), (Rcase_abs (A m - T)); lra. }
      replace (scale T (sqrt F2)) with (T / ((sqrt F2 + T + Rabs (sqrt F2 - T)) / 2))
        by (rewrite scale_alt by auto; f_equal; unfold Rmax, Rabs; destruct (Rle_dec (sqrt F2) T), (Rcase_abs (sqrt F2 - T)); lra).
      apply is_lim_seq_div'; [apply is_lim_seq_const| |].
      - apply is_lim_seq_div'; [|apply is_lim_seq_const|lra].
        apply is_lim_seq_plus'; [apply is_lim_seq_plus'; [apply A_limit; auto|apply is_lim_seq_const]|].
        apply (is_lim_seq_abs (fun m => A m - T) (sqrt F2 - T)).
        apply is_lim_seq_minus'; [apply A_limit; auto|apply is_lim_seq_const].
      - pose proof (sqrt_pos F2). pose proof (Rabs_pos (sqrt F2 - T)). lra. }
    apply is_lim_seq_div'; [|apply is_lim_seq_const|lra].
    apply is_lim_seq_minus'; [apply is_lim_seq_plus'; [auto|apply is_lim_seq_const]|].
    apply (is_lim_seq_abs (fun m => scale T (A m) - scale D (A n)) (scale T (sqrt F2) - scale D (A n))).
    apply is_lim_seq_minus'; [auto|apply is_lim_seq_const]. }
  apply is_lim_seq_ext_loc with (u := fun m => F2 - A n * A n * (s m * (2 - s m))).
  { exists n. intros m Hm. rewrite ES_large by auto. reflexivity. }
  apply is_lim_seq_minus'; [apply is_lim_seq_const|].
  apply is_lim_seq_mult'; [apply is_lim_seq_const|].
  apply is_lim_seq_mult'; auto. apply is_lim_seq_minus'; [apply is_lim_seq_const|auto].
Qed.
End Gap.

(* Without a cap on the student (its errors are those of D = T) the onset is max(A_n, T). *)
Theorem free_student_onset : forall al T n, 0 < T -> onset al T T n = Rmax (A al n) T.
Proof.
  intros. unfold onset. replace (T * A al n / T) with (A al n) by (field; lra).
  unfold Rmax. destruct (Rle_dec T (A al n)); repeat match goal with |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y) end; lra.
Qed.

(* The theorem, for whatever functions solve the two constrained problems. *)
Theorem capacity_gap : forall al T D F2 n (g h : nat -> nat -> R) (e_T e_S : nat -> R),
  0 < T -> 0 < D -> is_series (fun i => al i * al i) F2 ->
  (forall m, best m T al (g m)) -> (forall m, best n D (g m) (h m)) ->
  (forall m, distance2 (g m) al (e_T m)) -> (forall m, distance2 (h m) al (e_S m)) ->
  (forall m, (m < n)%nat -> (e_S (S m) < e_S m <-> al m <> 0)) /\
  (forall m k, (n <= m <= k)%nat -> e_S m <= e_S k) /\
  (forall m, (n <= m)%nat ->
     (e_S m < e_S (S m) <-> 0 < A al n /\ al m <> 0 /\ Rmax T (T * A al n / D) < A al (S m))) /\
  (forall m, e_S n <= e_S m) /\
  (0 < A al n -> forall m, ((forall k, e_S m <= e_S k) <-> A al n <= A al m <= onset al T D n)) /\
  (A al n = 0 -> forall m k, e_S m <= e_S k) /\
  (forall m, e_T m <= e_S m).
Proof.
  intros al T D F2 n g h e_T e_S HT HD HF Hg Hh Et Es.
  assert (E : forall m, e_S m = ES al T D F2 n m).
  { intros m. apply (is_series_same _ _ _ (Es m)). apply (student_error al T D F2 HT HD HF n m (g m) (h m)); auto. }
  assert (E' : forall m, e_T m = ET al T F2 m).
  { intros m. apply (is_series_same _ _ _ (Et m)). apply (teacher_error al T F2 HT HF m (g m)); auto. }
  split; [intros m Hm; rewrite !E; apply left_strict_iff; auto|].
  split; [intros m k Hk; rewrite !E; apply right_nondecreasing; auto; lia|].
  split; [intros m Hm; rewrite !E; apply right_strict_iff; auto|].
  split; [intros m; rewrite !E; apply m_eq_n_optimal; auto|].
  split.
  { intros Ha m. rewrite <- (argmin_iff al T D F2 HT HD n Ha m). split; intros H k.
    - rewrite <- !E. apply H.
    - rewrite !E. apply H. }
  split; [intros Ha m k; rewrite !E; apply argmin_trivial; auto|].
  intros m. rewrite E, E'. apply no_weak_to_strong; auto.
Qed.
