(* The smooth hinge law of student loss against teacher loss.

   hinge l x = l ((x/l)^(rho/s) + (x/l)^(-theta/s))^s,  x = L_T, l the student's own best loss
   twin  l x = l + s log (exp (rho (x-l)/s) + exp (-theta (x-l)/s))
   best_teacher l = l (theta/rho)^(s/(rho+theta))
   best_loss    l = l ((theta/rho)^(rho/(rho+theta)) + (theta/rho)^(-theta/(rho+theta)))^s

   Statements  [hinge_at_best]   hinge at best_teacher is best_loss;
               [hinge_minimum]   for every other L_T > 0 the loss is larger, strictly;
               [hinge_convex_in_log] log loss is strictly convex in log L_T;
               [twin_minimum], [twin_convex] the same of the additive form, in L_T itself;
               [corner]          the smooth form lies above the sharp hinge
                                 max(rho t, -theta t), by at most s log 2;
               [rho_one_above_teacher]  rho = 1: the student is worse than its teacher always;
               [weak_to_strong_possible] rho < 1: some weak teacher is beaten.
   Meaning     One best teacher, in closed form, for every student: no search is needed.
   Hypotheses  l, rho, theta, s > 0.
   Source      the law and its optimum are this project's. *)
Require Import Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
Require Import CapGap.Convexity.
Open Scope R_scope.

Lemma exp_above_tangent : forall y, y <> 0 -> 1 + y < exp y.
Proof.
  intros y Hy. destruct (Rdichotomy y 0 Hy) as [h|h].
  - destruct (MVT_cor2 exp exp y 0 h) as (c & E & Hc); [intros; apply derivable_pt_lim_exp|].
    rewrite exp_0 in E. assert (exp c < 1) by (rewrite <- exp_0; apply exp_increasing; lra).
    assert (0 < (1 - exp c) * (0 - y)) by (apply Rmult_lt_0_compat; lra). lra.
  - apply exp_ineq1. lra.
Qed.

Section Hinge.
Variables rho theta s : R.
Hypothesis Hr : 0 < rho.
Hypothesis Ht : 0 < theta.
Hypothesis Hs : 0 < s.

Definition core t := exp (rho * t / s) + exp (- theta * t / s).
Definition bend t := s * ln (core t).
Definition slope t := rho - (rho + theta) / (1 + exp ((rho + theta) * t / s)).
Definition knee := s / (rho + theta) * ln (theta / rho).
Definition depth := Rpower (theta / rho) (rho / (rho + theta)) + Rpower (theta / rho) (- theta / (rho + theta)).

Lemma core_pos : forall t, 0 < core t.
Proof. intros. unfold core. pose proof (exp_pos (rho * t / s)). pose proof (exp_pos (- theta * t / s)). lra. Qed.
Lemma bend_derive : forall t, is_derive bend t (slope t).
Proof.
  intros t. unfold bend, slope. pose proof (core_pos t) as Hc. unfold core in *.
  auto_derive; [repeat split; auto; lra|].
  assert (E : exp (rho * t / s) = exp ((rho + theta) * t / s) * exp (- theta * t / s)).
  { rewrite <- exp_plus. f_equal. field. lra. }
  pose proof (exp_pos ((rho + theta) * t / s)). pose proof (exp_pos (- theta * t / s)).
  unfold Rdiv in *. rewrite E in *. field. repeat split; try lra.
Qed.
Lemma slope_increasing : increasing_on (fun _ => True) slope.
Proof.
  intros x y _ _ H. unfold slope.
  assert (E : exp ((rho + theta) * x / s) < exp ((rho + theta) * y / s)).
  { apply exp_increasing. apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat; auto|]. apply Rmult_lt_compat_l; lra. }
  pose proof (exp_pos ((rho + theta) * x / s)).
  assert ((rho + theta) / (1 + exp ((rho + theta) * y / s)) < (rho + theta) / (1 + exp ((rho + theta) * x / s))); [|lra].
  apply Rmult_lt_compat_l; [lra|]. apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra|lra].
Qed.
Theorem bend_convex : strictly_convex (fun _ => True) bend.
Proof. apply convex_of_increasing_derivative with slope; [apply real_line|intros; apply bend_derive|apply slope_increasing]. Qed.
Lemma knee_exp : exp ((rho + theta) * knee / s) = theta / rho.
Proof.
  unfold knee. replace ((rho + theta) * (s / (rho + theta) * ln (theta / rho)) / s) with (ln (theta / rho)) by (field; lra).
  apply exp_ln. apply Rdiv_lt_0_compat; auto.
Qed.
Lemma slope_knee : slope knee = 0.
Proof. unfold slope. rewrite knee_exp. field. lra. Qed.
Lemma bend_minimum : forall t, t <> knee -> bend knee < bend t.
Proof.
  intros t H. apply (stationary_minimises (fun _ => True) bend slope real_line (fun x _ => bend_derive x) slope_increasing); auto.
  apply slope_knee.
Qed.
Lemma core_knee : core knee = depth.
Proof. unfold core, depth, knee, Rpower. f_equal; f_equal; field; lra. Qed.
Lemma depth_pos : 0 < depth. Proof. rewrite <- core_knee. apply core_pos. Qed.

Theorem corner : forall t, Rmax (rho * t) (- theta * t) < bend t <= Rmax (rho * t) (- theta * t) + s * ln 2.
Proof.
  intros t. unfold bend, core. set (a := rho * t). set (b := - theta * t).
  assert (K : forall a b, b <= a -> a < s * ln (exp (a / s) + exp (b / s)) <= a + s * ln 2).
  { clear a b. intros a b Hab. pose proof (exp_pos (a / s)). pose proof (exp_pos (b / s)).
    assert (exp (b / s) <= exp (a / s)).
    { assert (b / s <= a / s) by (apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat; auto|auto]).
      destruct H1; [left; apply exp_increasing; auto|rewrite H1; lra]. }
    assert (E : a = s * ln (exp (a / s))) by (rewrite ln_exp; field; lra).
    split.
    - rewrite E at 1. apply Rmult_lt_compat_l; auto. apply ln_increasing; lra.
    - rewrite E at 2. rewrite <- Rmult_plus_distr_l, <- ln_mult by lra. apply Rmult_le_compat_l; [lra|].
      destruct H1 as [H1|H1]; [left; apply ln_increasing; lra|rewrite H1; right; f_equal; lra]. }
  unfold Rmax. destruct (Rle_dec a b).
  - rewrite (Rplus_comm (exp (a / s))). apply K; auto.
  - apply K; lra.
Qed.

Section Scale.
Variable l : R.
Hypothesis Hl : 0 < l.
Definition hinge x := l * Rpower (Rpower (x / l) (rho / s) + Rpower (x / l) (- theta / s)) s.
Definition best_teacher := l * Rpower (theta / rho) (s / (rho + theta)).
Definition best_loss := l * Rpower depth s.
Definition twin x := l + s * ln (exp (rho * (x - l) / s) + exp (- theta * (x - l) / s)).

Lemma hinge_bend : forall x, hinge x = l * exp (bend (ln (x / l))).
Proof.
  intros. unfold hinge, bend, core, Rpower. f_equal. f_equal. f_equal. f_equal. f_equal; f_equal; field; lra.
Qed.
Lemma best_teacher_pos : 0 < best_teacher.
Proof. unfold best_teacher. apply Rmult_lt_0_compat; auto. apply exp_pos. Qed.
Lemma ln_best_teacher : ln (best_teacher / l) = knee.
Proof.
  unfold best_teacher. replace (l * Rpower (theta / rho) (s / (rho + theta)) / l) with (Rpower (theta / rho) (s / (rho + theta))) by (field; lra).
  unfold Rpower, knee. apply ln_exp.
Qed.
Theorem hinge_at_best : hinge best_teacher = best_loss.
Proof. rewrite hinge_bend, ln_best_teacher. unfold bend, best_loss. rewrite core_knee. reflexivity. Qed.
Theorem hinge_minimum : forall x, 0 < x -> x <> best_teacher -> best_loss < hinge x.
Proof.
  intros x Hx Hn. rewrite <- hinge_at_best, !hinge_bend, ln_best_teacher.
  apply Rmult_lt_compat_l; auto. apply exp_increasing, bend_minimum.
  intro E. apply Hn. rewrite <- ln_best_teacher in E.
  apply ln_inv in E; try (apply Rdiv_lt_0_compat; auto using best_teacher_pos).
  apply Rmult_eq_reg_r with (/ l); [exact E|]. apply Rinv_neq_0_compat. lra.
Qed.
Theorem hinge_convex_in_log : strictly_convex (fun _ => True) (fun t => ln (hinge (exp t))).
Proof.
  assert (E : forall t, ln (hinge (exp t)) = ln l + bend (t - ln l)).
  { intros t. rewrite hinge_bend, ln_mult, ln_exp by (auto; apply exp_pos). f_equal. f_equal.
    unfold Rdiv. rewrite ln_mult, ln_exp, ln_Rinv by (auto using exp_pos; apply Rinv_0_lt_compat; auto). ring. }
  intros x y w _ _ Hn Hw. rewrite !E.
  pose proof (bend_convex (x - ln l) (y - ln l) w I I ltac:(lra) Hw) as H.
  replace (w * x + (1 - w) * y - ln l) with (w * (x - ln l) + (1 - w) * (y - ln l)) by ring. lra.
Qed.
Theorem twin_minimum : forall x, x <> l + knee -> twin (l + knee) < twin x.
Proof.
  intros x Hx. pose proof (bend_minimum (x - l) ltac:(lra)) as H. unfold bend, core in H.
  unfold twin. replace (l + knee - l) with knee by ring. lra.
Qed.
Theorem twin_convex : strictly_convex (fun _ => True) twin.
Proof.
  intros x y w _ _ Hn Hw. pose proof (bend_convex (x - l) (y - l) w I I ltac:(lra) Hw) as H.
  unfold bend, core in H. unfold twin.
  replace (w * x + (1 - w) * y - l) with (w * (x - l) + (1 - w) * (y - l)) by ring. lra.
Qed.
Lemma hinge_against_teacher : forall x, 0 < x -> x = l * exp (ln (x / l)).
Proof. intros. rewrite exp_ln by (apply Rdiv_lt_0_compat; auto). field. lra. Qed.
Theorem rho_one_above_teacher : rho = 1 -> forall x, 0 < x -> x < hinge x.
Proof.
  intros E x Hx. rewrite hinge_bend. rewrite (hinge_against_teacher x Hx) at 1.
  apply Rmult_lt_compat_l; auto. apply exp_increasing.
  pose proof (corner (ln (x / l))) as [H _]. pose proof (Rmax_l (rho * ln (x / l)) (- theta * ln (x / l))).
  rewrite E in *. lra.
Qed.
Theorem weak_to_strong_possible : rho < 1 -> exists x, 0 < x /\ hinge x < x.
Proof.
  intros E. set (t := 2 * (s * ln 2) / (1 - rho)).
  assert (Hln : 0 < ln 2) by (rewrite <- ln_1; apply ln_increasing; lra).
  assert (Hsl : 0 < s * ln 2) by (apply Rmult_lt_0_compat; auto).
  assert (Htp : 0 < t) by (unfold t; apply Rdiv_lt_0_compat; lra).
  exists (l * exp t). pose proof (exp_pos t). split; [apply Rmult_lt_0_compat; auto|].
  rewrite hinge_bend. replace (l * exp t / l) with (exp t) by (field; lra). rewrite ln_exp.
  apply Rmult_lt_compat_l; auto. apply exp_increasing.
  pose proof (corner t) as [_ Hc]. 
  assert (0 < rho * t) by (apply Rmult_lt_0_compat; auto). assert (0 < theta * t) by (apply Rmult_lt_0_compat; auto).
  rewrite Rmax_left in Hc by lra.
  assert (F : t * (1 - rho) = 2 * (s * ln 2)) by (unfold t; field; lra). lra.
Qed.
End Scale.
End Hinge.
