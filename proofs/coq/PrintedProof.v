(* What the printed proof of the capacity gap says, refuted at one target; and the instance that
   shows the hypotheses of CapacityGap.v can hold.

   The target has the four coefficients 3, 4, 12, 84 (norms 3, 5, 13, 85 of the first m), the
   student n = 1, the teacher's cap T = 13/2, so D <= T < ||f*|| as the paper assumes.

   Statements  [exchanged_cases_leave_the_ball]  with the two cases of Q exchanged, as in Case 2
                 of the proof, a student of cap D = 1 gets a norm above its cap;
               [exchanged_cases_wrong_error]     and its error differs from the true one, both
                 where the student's cap binds (D = 1) and where it does not (D = 2);
               [not_always_rising]  "the error rises strictly right beyond m = n" is false;
               [U_exists]           a strict U exists all the same, with a flat floor;
               [small_cap_not_enough]  D < A_n alone does not delay the onset: D < T is needed;
               [best_teacher_not_unique], [student_strictly_worse]  as their names say.
   Meaning     The paper's conclusion survives, its proof does not; the absence of a gap just
               beyond m = n is no evidence against one.
   Source      Busbridge et al. 2025 (arXiv 2502.08606), App. C.1; refutation of this project. *)
Require Import Reals Lra Lia Psatz Arith.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Sums CapGap.BallProjection CapGap.KernelModel CapGap.CapacityGap.
Open Scope R_scope.

Definition target (i : nat) : R := match i with 0%nat => 3 | 1%nat => 4 | 2%nat => 12 | 3%nat => 84 | _ => 0 end.
Definition cap_T : R := 13 / 2.
Definition energy : R := 7225.

Lemma target_energy : is_series (fun i => target i * target i) energy.
Proof.
  replace energy with (sum (fun i => target i * target i) 4) by (unfold energy; simpl; ring).
  apply is_series_finite. intros i Hi. do 4 (destruct i; [lia|]). simpl. ring.
Qed.
Lemma norm_value : forall m r, 0 <= r -> dot m target target = r * r -> A target m = r.
Proof. intros m r Hr H. unfold A, nrm. rewrite H. apply sqrt_square; auto. Qed.
Lemma A1 : A target 1 = 3. Proof. apply norm_value; [lra|unfold dot; simpl; ring]. Qed.
Lemma A2 : A target 2 = 5. Proof. apply norm_value; [lra|unfold dot; simpl; ring]. Qed.
Lemma A3 : A target 3 = 13. Proof. apply norm_value; [lra|unfold dot; simpl; ring]. Qed.
Lemma A4 : A target 4 = 85. Proof. apply norm_value; [lra|unfold dot; simpl; ring]. Qed.

(* The student's factor Q and its error, with the cases of Q as a parameter. *)
Definition right_Q (c a D : R) := if Rle_dec (c * a) D then 1 else D / (c * a).
Definition exchanged_Q (c a D : R) := if Rle_dec (c * a) D then D / (c * a) else 1.
Definition error_from (q : R -> R -> R -> R) (al : nat -> R) T D F2 n m :=
  let c := scale T (A al m) in let x := q c (A al n) D * c in
  F2 - A al n * A al n * (x * (2 - x)).

Theorem right_cases_are_right : forall al T D F2 n m, 0 < T -> 0 < D -> (n <= m)%nat -> 0 < A al n ->
  error_from right_Q al T D F2 n m = ES al T D F2 n m.
Proof.
  intros al T D F2 n m HT HD Hm Ha. rewrite ES_large by auto. unfold error_from.
  pose proof (QC al T D HT HD n m Hm) as E.
  unfold Q in E. rewrite nrm_teacher_large in E by auto. unfold C in E.
  assert (E' : right_Q (scale T (A al m)) (A al n) D * scale T (A al m) = s al T D n m); [|rewrite E'; reflexivity].
  apply Rmult_eq_reg_r with (A al n); [|lra]. rewrite <- E. reflexivity.
Qed.

Lemma scale_value : scale cap_T 13 = 1 / 2.
Proof. unfold scale, cap_T. destruct (Rle_dec 13 (13 / 2)); [lra|field]. Qed.

Theorem exchanged_cases_leave_the_ball :
  let c := scale cap_T (A target 3) in exchanged_Q c (A target 1) 1 * c * A target 1 > 1.
Proof.
  cbv zeta. rewrite A1, A3, scale_value. unfold exchanged_Q. destruct (Rle_dec (1 / 2 * 3) 1); lra.
Qed.
Theorem exchanged_cases_wrong_error :
  error_from exchanged_Q target cap_T 1 energy 1 3 <> ES target cap_T 1 energy 1 3 /\
  error_from exchanged_Q target cap_T 2 energy 1 3 <> ES target cap_T 2 energy 1 3.
Proof.
  split; rewrite <- right_cases_are_right by (try (unfold cap_T; lra); try lia; rewrite A1; lra);
    unfold error_from, exchanged_Q, right_Q; rewrite A1, A3, scale_value;
    repeat match goal with |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y) end; lra.
Qed.

Lemma onset_value : onset target cap_T 1 1 = 39 / 2.
Proof.
  unfold onset. rewrite A1. unfold cap_T. rewrite (Rmax_right (13 / 2)) by lra.
  rewrite Rmax_right by lra. lra.
Qed.
(* Negative control of right_strict_iff: the threshold T without T A_n / D is not enough. *)
Theorem not_always_rising :
  ~ (forall al T D F2 n m, 0 < D -> D <= T -> is_series (fun i => al i * al i) F2 -> T < sqrt F2 ->
     (n <= m)%nat -> 0 < A al n -> al m <> 0 -> T < A al (S m) -> ES al T D F2 n m < ES al T D F2 n (S m)).
Proof.
  intro H. specialize (H target cap_T 1 energy 1%nat 2%nat).
  assert (F : sqrt energy = 85).
  { unfold energy. replace 7225 with (85 * 85) by ring. apply sqrt_square. lra. }
  rewrite F, A1, A3 in H. unfold cap_T in H at 1.
  assert (E : ES target cap_T 1 energy 1 2 < ES target cap_T 1 energy 1 3).
  { apply H; try (unfold cap_T; lra); try lia; [apply target_energy|simpl; lra]. }
  rewrite (flat_floor target cap_T 1 energy) with (m := 2%nat) in E;
    [|unfold cap_T; lra|lra|lia|rewrite A2, onset_value; lra].
  rewrite (flat_floor target cap_T 1 energy) with (m := 3%nat) in E;
    [|unfold cap_T; lra|lra|lia|rewrite A3, onset_value; lra]. lra.
Qed.
Theorem U_exists : strict_U target cap_T 1 energy 1 /\
  ES target cap_T 1 energy 1 3 = ES target cap_T 1 energy 1 1 /\
  ES target cap_T 1 energy 1 1 < ES target cap_T 1 energy 1 4.
Proof.
  assert (0 < cap_T) by (unfold cap_T; lra). repeat split.
  - apply strict_U_iff; [auto|lra|]. split; [rewrite A1; lra|].
    exists 4%nat. rewrite A4, onset_value. lra.
  - apply flat_floor; [auto|lra|lia|]. rewrite A3, onset_value. lra.
  - apply beyond_iff; [auto|lra|lia|rewrite A1; lra|]. rewrite A4, onset_value. lra.
Qed.

(* D < A_n alone does not delay the onset (T = 1, D = 2, A_n = 3): D < T is needed as well. *)
Theorem small_cap_not_enough : 2 < A target 1 /\ onset target 1 2 1 = Rmax (A target 1) 1.
Proof.
  unfold onset. rewrite A1. split; [lra|].
  rewrite (Rmax_right 1 (1 * 3 / 2)), !Rmax_left by lra. reflexivity.
Qed.
(* "The best teacher is unique" and "a student never does worse than its teacher" fail there. *)
Theorem best_teacher_not_unique : A target 3 <> A target 1 /\
  forall k, ES target cap_T 1 energy 1 3 <= ES target cap_T 1 energy 1 k.
Proof.
  assert (0 < cap_T) by (unfold cap_T; lra). rewrite A1, A3. split; [lra|].
  apply argmin_iff; [auto|lra|rewrite A1; lra|]. rewrite A1, A3, onset_value. lra.
Qed.
Theorem student_strictly_worse : ET target cap_T energy 3 < ES target cap_T 1 energy 1 3.
Proof.
  assert (0 < cap_T) by (unfold cap_T; lra). rewrite (proj1 (proj2 U_exists)).
  rewrite ES_small, ET_closed by (auto; lra). rewrite A1, A3. unfold phi, cap_T.
  rewrite (Rmin_right (13 / 2) 1) by lra.
  destruct (Rle_dec 13 (13 / 2)), (Rle_dec 3 1); lra.
Qed.
