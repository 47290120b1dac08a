(* The kernel-regression model of the capacity gap: closed forms of both errors.

   al       coefficients of the target f* in an orthonormal basis, sum_i al_i^2 = F2
   T, D     caps on the norms of teacher and student; m, n their dimensions
   A m      norm of the first m coefficients;  F = sqrt F2
   teacher  the best approximation of f* with m coefficients and norm at most T
   student  the best approximation of the teacher with n coefficients and norm at most D
   ET, ES   squared L2 distance of each from f*

   Statement   [teacher_error], [student_error]: whatever functions g and h are best in that
               sense, their errors are ET m and ES m; such g and h exist.
               [ET_closed]  ET m = F2 - phi_T(A_m),
               [ES_small]   ES m = F2 - phi_{min(T,D)}(A_m)              for m <= n,
               [ES_large]   ES m = F2 - A_n^2 s (2 - s), s = min(1, T/A_m, D/A_n), for m >= n,
               with phi_M(x) = x^2 for x <= M and 2 M x - M^2 beyond.
               [free_student_error]: a student without a cap has the error of one with D = T.
   Meaning     Every statement on the capacity gap is about these closed forms.
   Hypotheses  0 < T, 0 < D, sum_i al_i^2 converges.
   Source      Busbridge et al. 2025 (arXiv 2502.08606), App. C.1, corrected. *)
Require Import Reals Lra Lia Psatz Arith.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Sums CapGap.BallProjection.
Open Scope R_scope.

Definition phi M x := if Rle_dec x M then x * x else 2 * M * x - M * M.
Lemma phi_strict : forall M x y, 0 < M -> 0 <= x -> x < y -> phi M x < phi M y.
Proof.
  intros; unfold phi; destruct (Rle_dec x M), (Rle_dec y M).
  - assert (0 < (y - x) * (y + x)) by (apply Rmult_lt_0_compat; lra). lra.
  - assert (0 <= (M - x) * (M + x)) by (apply Rmult_le_pos; lra). assert (0 < M * (y - M)) by (apply Rmult_lt_0_compat; lra). lra.
  - lra.
  - assert (0 < M * (y - x)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma phi_mono : forall M x y, 0 < M -> 0 <= x -> x <= y -> phi M x <= phi M y.
Proof. intros. destruct H1; [left; apply phi_strict; auto | subst; lra]. Qed.
Lemma phi_mono_cap : forall M N x, 0 < M -> M <= N -> 0 <= x -> phi M x <= phi N x.
Proof.
  intros. unfold phi. destruct (Rle_dec x M), (Rle_dec x N); try lra.
  - pose proof (square_nonneg (x - M)). lra.
  - assert (0 <= (N - M) * (2 * x - M - N)) by (apply Rmult_le_pos; lra). lra.
Qed.
Lemma phi_scale : forall M x, 0 < M -> 0 <= x -> phi M x = x * x * (scale M x * (2 - scale M x)).
Proof. intros. unfold phi, scale. destruct (Rle_dec x M); [ring|]. field. lra. Qed.

Section Model.
Variable al : nat -> R.
Variables T D F2 : R.
Hypothesis HT : 0 < T.
Hypothesis HD : 0 < D.
Hypothesis HF : is_series (fun i => al i * al i) F2.
Variable n : nat.

Definition A m := nrm m al.
Definition C m := scale T (A m).
Definition teacher m := shrink m T al.
Definition Q m := scale D (nrm n (teacher m)).
Definition student m := shrink n D (teacher m).
Definition ET m := d2 m (teacher m) al + (F2 - dot m al al).
Definition ES m := d2 n (student m) al + (F2 - dot n al al).
Definition s m := Rmin (scale T (A m)) (scale D (A n)).

(* ---- the errors are those of any constrained minimisers ---- *)
Lemma teacher_square_summable : forall m, is_series (fun i => teacher m i * teacher m i) (dot m (teacher m) (teacher m)).
Proof. intros. apply is_series_finite. intros. unfold teacher. rewrite shrink_out by auto. ring. Qed.

Theorem teacher_exists : forall m, best m T al (teacher m).
Proof. intros. apply shrink_best with F2; auto. Qed.
Theorem student_exists : forall m, best n D (teacher m) (student m).
Proof. intros. apply shrink_best with (dot m (teacher m) (teacher m)); [auto|apply teacher_square_summable]. Qed.

Lemma distance2_ext : forall g g' f e, (forall i, g i = g' i) -> distance2 g' f e -> distance2 g f e.
Proof. intros g g' f e H He. eapply is_series_ext; [|exact He]. intros i. simpl. rewrite H. reflexivity. Qed.
Theorem teacher_error : forall m g, best m T al g -> distance2 g al (ET m).
Proof.
  intros m g Hg. apply distance2_ext with (g' := teacher m).
  - intros. apply best_unique with F2; auto.
  - apply distance2_finite; auto. apply shrink_out.
Qed.
Lemma best_ext : forall k r f f' g, (forall i, f i = f' i) -> best k r f g -> best k r f' g.
Proof.
  intros k r f f' g H [Hg Hb]. split; auto. intros g' e e' Hg' He He'.
  apply (Hb g' e e' Hg'); eapply is_series_ext; try eassumption; intros i; simpl; rewrite H; reflexivity.
Qed.
Theorem student_error : forall m g h, best m T al g -> best n D g h -> distance2 h al (ES m).
Proof.
  intros m g h Hg Hh.
  assert (Hh' : best n D (teacher m) h).
  { apply best_ext with (f := g); auto. intros. apply best_unique with F2; auto. }
  apply distance2_ext with (g' := student m).
  - intros. apply best_unique with (dot m (teacher m) (teacher m)); auto. apply teacher_square_summable.
  - apply distance2_finite; auto. apply shrink_out.
Qed.

(* ---- norms ---- *)
Lemma A_mono : forall m k, (m <= k)%nat -> A m <= A k.
Proof. intros; unfold A, nrm. apply sqrt_le_1_alt, dot_mono; auto. Qed.
Lemma A_nonneg : forall m, 0 <= A m. Proof. intros; apply nrm_nonneg. Qed.
Lemma A_sq : forall m, A m * A m = dot m al al. Proof. intros; apply nrm_sq. Qed.
Lemma A_step : forall m, al m <> 0 -> A m < A (S m).
Proof. intros. unfold A, nrm. apply sqrt_lt_1_alt. split; [apply dot_nonneg|]. unfold dot; simpl. assert (0 < al m * al m) by nra. lra. Qed.
Lemma A_stay : forall m, al m = 0 -> A (S m) = A m.
Proof. intros. unfold A, nrm, dot; simpl. rewrite H. f_equal. ring. Qed.
Lemma F2_nonneg : 0 <= F2.
Proof. apply (partial_sum_le (fun i => al i * al i) F2) with (k := O); auto. intros; apply square_nonneg. Qed.
Lemma A_le_F : forall m, A m <= sqrt F2.
Proof. intros. unfold A, nrm. apply sqrt_le_1_alt. apply (partial_sum_le (fun i => al i * al i)); auto. intros; apply square_nonneg. Qed.
Lemma A_limit : is_lim_seq A (sqrt F2).
Proof.
  unfold A, nrm. apply (is_lim_seq_continuous sqrt).
  - apply continuity_pt_sqrt, F2_nonneg.
  - apply is_lim_seq_incr_1. apply is_lim_seq_ext with (u := sum_n (fun i => al i * al i)); [intros; apply sum_n_sum|exact HF].
Qed.

(* ---- the teacher inside the student's space ---- *)
Lemma dot_teacher_large : forall m, (n <= m)%nat -> dot n (teacher m) (teacher m) = C m * C m * dot n al al.
Proof. intros. rewrite <- dot_scal. apply dot_ext; intros; unfold teacher; apply shrink_in; lia. Qed.
Lemma dot_teacher_small : forall m, (m <= n)%nat -> dot n (teacher m) (teacher m) = C m * C m * dot m al al.
Proof.
  intros. transitivity (dot m (teacher m) (teacher m)).
  - apply sum_stable; auto. intros. unfold teacher. rewrite shrink_out by auto. ring.
  - rewrite <- dot_scal. apply dot_ext; intros; unfold teacher; apply shrink_in; lia.
Qed.
Lemma dot_teacher_al_small : forall m, (m <= n)%nat -> dot n (teacher m) al = C m * dot m al al.
Proof.
  intros. transitivity (dot m (teacher m) al).
  - apply sum_stable; auto. intros. unfold teacher. rewrite shrink_out by auto. ring.
  - rewrite <- dot_scal_l. apply dot_ext; intros; [unfold teacher; apply shrink_in; lia|reflexivity].
Qed.
Lemma dot_teacher_al_large : forall m, (n <= m)%nat -> dot n (teacher m) al = C m * dot n al al.
Proof. intros. rewrite <- dot_scal_l. apply dot_ext; intros; [unfold teacher; apply shrink_in; lia|reflexivity]. Qed.
Lemma nrm_teacher_small : forall m, (m <= n)%nat -> nrm n (teacher m) = Rmin (A m) T.
Proof.
  intros. unfold nrm. rewrite dot_teacher_small by auto. rewrite <- A_sq.
  replace (C m * C m * (A m * A m)) with ((C m * A m) * (C m * A m)) by ring.
  rewrite sqrt_square. apply scale_mul; auto using A_nonneg.
  apply Rmult_le_pos; [left; apply scale_pos; auto | apply A_nonneg]. Qed.
Lemma nrm_teacher_large : forall m, (n <= m)%nat -> nrm n (teacher m) = C m * A n.
Proof.
  intros. unfold nrm. rewrite dot_teacher_large by auto. rewrite <- A_sq.
  replace (C m * C m * (A n * A n)) with ((C m * A n) * (C m * A n)) by ring.
  apply sqrt_square. apply Rmult_le_pos; [left; apply scale_pos; auto | apply A_nonneg]. Qed.
Lemma nrm_teacher_le : forall m, nrm n (teacher m) <= T.
Proof.
  intros. destruct (le_lt_dec n m).
  - rewrite nrm_teacher_large by auto. apply Rle_trans with (C m * A m).
    + apply Rmult_le_compat_l; [left; apply scale_pos; auto|apply A_mono; auto].
    + unfold C. rewrite scale_mul by auto using A_nonneg. apply Rmin_r.
  - rewrite nrm_teacher_small by lia. apply Rmin_r.
Qed.
Lemma ES_expand : forall m, ES m = Q m * Q m * dot n (teacher m) (teacher m) - 2 * Q m * dot n (teacher m) al + F2.
Proof.
  intros. unfold ES. rewrite (d2_ext n _ al (fun i => Q m * teacher m i) al) by (intros; (reflexivity || (unfold student; apply shrink_in; auto))).
  rewrite d2_expand1, dot_scal, dot_scal_l. ring.
Qed.

(* ---- closed forms ---- *)
Theorem ET_closed : forall m, ET m = F2 - phi T (A m).
Proof.
  intros. unfold ET. rewrite (d2_ext m _ al (fun i => C m * al i) al) by (intros; (reflexivity || (unfold teacher; apply shrink_in; auto))).
  rewrite d2_scal, <- A_sq, phi_scale by auto using A_nonneg. fold (C m). ring.
Qed.
Theorem ES_small : forall m, (m <= n)%nat -> ES m = F2 - phi (Rmin T D) (A m).
Proof.
  intros. rewrite ES_expand, dot_teacher_small, dot_teacher_al_small by auto.
  rewrite <- !A_sq. unfold Q. rewrite nrm_teacher_small by auto.
  pose proof (A_nonneg m). unfold C, phi, scale, Rmin. set (a := A m) in *.
  destruct (Rle_dec T D), (Rle_dec a T); repeat match goal with |- context [Rle_dec ?x ?y] => destruct (Rle_dec x y) end; try lra; try (field; lra).
Qed.
Lemma QC : forall m, (n <= m)%nat -> Q m * C m * A n = s m * A n.
Proof.
  intros. unfold Q. rewrite nrm_teacher_large by auto. pose proof (A_nonneg n) as Hn.
  pose proof (scale_pos T (A m) HT) as HC. pose proof (scale_le1 T (A m) HT) as HC1. fold (C m) in HC, HC1.
  assert (H3 : 0 <= C m * A n) by (apply Rmult_le_pos; lra).
  rewrite Rmult_assoc, (scale_mul D (C m * A n) HD H3). unfold s. fold (C m).
  pose proof (scale_mul D (A n) HD Hn) as H4. set (sc := scale D (A n)) in *.
  destruct (Rle_lt_dec (C m) sc) as [h|h].
  - rewrite (Rmin_left (C m) sc h).
    assert (C m * A n <= sc * A n) by (apply Rmult_le_compat_r; lra).
    assert (Rmin (A n) D <= D) by apply Rmin_r. apply Rmin_left; lra.
  - rewrite (Rmin_right (C m) sc) by lra. rewrite H4.
    assert (D < A n). { destruct (Rle_lt_dec (A n) D); auto. exfalso. assert (sc = 1) by (unfold sc, scale; destruct (Rle_dec (A n) D); lra). lra. }
    rewrite (Rmin_right (A n) D) in * by lra.
    assert (sc * A n <= C m * A n) by (apply Rmult_le_compat_r; lra). apply Rmin_right; lra.
Qed.
Theorem ES_large : forall m, (n <= m)%nat -> ES m = F2 - A n * A n * (s m * (2 - s m)).
Proof.
  intros. rewrite ES_expand, dot_teacher_large, dot_teacher_al_large by auto.
  rewrite <- !A_sq. pose proof (QC m H) as E.
  replace (Q m * Q m * (C m * C m * (A n * A n))) with ((Q m * C m * A n) * (Q m * C m * A n)) by ring.
  replace (2 * Q m * (C m * (A n * A n))) with (2 * (Q m * C m * A n) * A n) by ring.
  rewrite E. ring. Qed.
End Model.

(* A student without a cap on its norm: as if its cap were the teacher's. *)
Theorem free_student_error : forall al T F2 n m g h, 0 < T -> is_series (fun i => al i * al i) F2 ->
  best m T al g -> best_free n g h -> distance2 h al (ES al T T F2 n m).
Proof.
  intros al T F2 n m g h HT HF Hg [Hs Hb].
  assert (E : forall i, g i = teacher al T m i) by (intros; apply best_unique with F2; auto).
  assert (Hh : best_free n (teacher al T m) h).
  { split; auto. intros g' e e' Hg' He He'.
    apply (Hb g' e e' Hg'); eapply is_series_ext; try eassumption; intros i; simpl; rewrite E; reflexivity. }
  apply distance2_ext with (g' := student al T T n m).
  - intros. unfold student.
    rewrite (loose_cap_is_free n T (teacher al T m) (nrm_teacher_le al T HT n m)).
    apply free_unique with (dot m (teacher al T m) (teacher al T m)); auto. apply teacher_square_summable.
  - apply distance2_finite; auto. apply shrink_out.
Qed.
