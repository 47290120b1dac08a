(* The distillation law in teacher loss x = L_T (Eq. 8 in its reduced form).

   LS x = x + excess x,   excess x = U x^(-c0) (1 + (x/K)^p)^(-c1/p)
   sigma = (x/K)^p / (1 + (x/K)^p),  u = c0 + c1 sigma,  h = u (LS - x)/x
   (K = Lt_S d1, p = 1/f1, U = (A'/N_S^a' + B'/D_S^b')^g'; natural logs, nats per token)

   Statements  [LS_derive]        LS' = 1 - h;
               [h_derive]         h' = -(excess/x^2) (u (u + 1) - p c1 sigma (1 - sigma));
               [student_above_teacher]  LS > L_T always;
               [upper_bound], [lower_bound]
                   U x^-c0 (1 - (c1/p) (x/K)^p) <= LS - x <= U x^-c0: so LS ~ U x^-c0 as x -> 0;
               [weak_teacher_limit]  LS - x < eps for x beyond (U/eps)^(1/c0);
               [increasing_in_U], [increasing_in_K]  LS grows with U and with K, hence falls in
                   N_S and D_S, at fixed Lt_S and in total;
               [homogeneity]      (x, K, U) -> (a x, a K, a^(1+c0) U) gives a LS (nats to bits).
   Meaning     The calculus behind every plot of student loss against teacher loss.
   Hypotheses  U, K, c0, c1, p > 0, x > 0.
   Source      Busbridge et al. 2025 (arXiv 2502.08606), Eq. 8. *)
Require Import Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

Definition ratio K p x := Rpower (x / K) p.
Definition excess U K c0 c1 p x := U * Rpower x (- c0) * Rpower (1 + ratio K p x) (- c1 / p).
Definition LS U K c0 c1 p x := x + excess U K c0 c1 p x.
Definition sigma K p x := ratio K p x / (1 + ratio K p x).
Definition u K c0 c1 p x := c0 + c1 * sigma K p x.
Definition h U K c0 c1 p x := u K c0 c1 p x * (LS U K c0 c1 p x - x) / x.
Definition bracket c0 c1 p y := (c0 + c1 * y) * (c0 + c1 * y + 1) - p * c1 * y * (1 - y).

Lemma ratio_pos : forall K p x, 0 < ratio K p x. Proof. intros. apply exp_pos. Qed.
Lemma sigma_range : forall K p x, 0 < sigma K p x < 1.
Proof.
  intros. unfold sigma. pose proof (ratio_pos K p x). split; [apply Rdiv_lt_0_compat; lra|].
  apply Rmult_lt_reg_r with (1 + ratio K p x); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.
Lemma excess_pos : forall U K c0 c1 p x, 0 < U -> 0 < excess U K c0 c1 p x.
Proof. intros. unfold excess. repeat apply Rmult_lt_0_compat; auto; apply exp_pos. Qed.
Lemma h_excess : forall U K c0 c1 p x, h U K c0 c1 p x = u K c0 c1 p x * excess U K c0 c1 p x / x.
Proof. intros. unfold h, LS. f_equal. f_equal. ring. Qed.
Lemma Rpower_lt_exponent_neg : forall x y a, 0 < a -> 0 < x -> x < y -> Rpower y (- a) < Rpower x (- a).
Proof.
  intros. unfold Rpower. apply exp_increasing. assert (ln x < ln y) by (apply ln_increasing; auto).
  assert (0 < a * (ln y - ln x)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.

Section Law.
Variables U K c0 c1 p : R.
Hypothesis HU : 0 < U.
Hypothesis HK : 0 < K.
Hypothesis Hc0 : 0 < c0.
Hypothesis Hc1 : 0 < c1.
Hypothesis Hp : 0 < p.
Notation excess := (excess U K c0 c1 p).
Notation LS := (LS U K c0 c1 p).
Notation sigma := (sigma K p).
Notation u := (u K c0 c1 p).
Notation h := (h U K c0 c1 p).
Notation ratio := (ratio K p).

Lemma u_range : forall x, c0 < u x < c0 + c1.
Proof.
  intros. unfold DistillationLaw.u. destruct (sigma_range K p x).
  assert (0 < c1 * sigma x) by (apply Rmult_lt_0_compat; auto).
  assert (0 < c1 * (1 - sigma x)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma ratio_derive : forall x, 0 < x -> is_derive ratio x (p * ratio x / x).
Proof.
  intros x Hx. unfold DistillationLaw.ratio, Rpower.
  auto_derive; [apply (Rdiv_lt_0_compat x K); auto|]. unfold Rdiv. field. lra.
Qed.
Lemma sigma_derive : forall x, 0 < x -> is_derive sigma x (p * sigma x * (1 - sigma x) / x).
Proof.
  intros x Hx. unfold DistillationLaw.sigma. pose proof (ratio_pos K p x) as Hz. pose proof (ratio_derive x Hx) as Hd.
  auto_derive; [repeat apply conj; auto; try (exists (p * ratio x / x); exact Hd); lra|].
  replace (Derive (fun x => ratio x) x) with (p * ratio x / x) by (symmetry; apply is_derive_unique; exact Hd).
  field. lra.
Qed.
Lemma excess_derive : forall x, 0 < x -> is_derive excess x (- h x).
Proof.
  intros x Hx. rewrite h_excess. pose proof (ratio_pos K p x) as Hz. pose proof (ratio_derive x Hx) as Hd.
  unfold DistillationLaw.u, DistillationLaw.sigma, DistillationLaw.excess. unfold Rpower.
  auto_derive; [repeat apply conj; auto; try (exists (p * ratio x / x); exact Hd); lra|].
  replace (Derive (fun x => ratio x) x) with (p * ratio x / x) by (symmetry; apply is_derive_unique; exact Hd).
  field. lra.
Qed.
Theorem LS_derive : forall x, 0 < x -> is_derive LS x (1 - h x).
Proof.
  intros x Hx. unfold DistillationLaw.LS.
  apply (is_derive_plus (fun x => x) excess x 1 (- h x)); [exact (is_derive_id x)|apply excess_derive; auto].
Qed.
Theorem h_derive : forall x, 0 < x ->
  is_derive h x (- (excess x / (x * x)) * bracket c0 c1 p (sigma x)).
Proof.
  intros x Hx. pose proof (sigma_derive x Hx) as d1. pose proof (excess_derive x Hx) as d2. rewrite h_excess in d2.
  apply is_derive_ext with (f := fun x => u x * excess x / x); [intros; symmetry; apply h_excess|].
  unfold DistillationLaw.u, bracket in *.
  auto_derive; [repeat apply conj; auto; try (eexists; exact d1); try (eexists; exact d2); lra|].
  replace (Derive (fun x => sigma x) x) with (p * sigma x * (1 - sigma x) / x) by (symmetry; apply is_derive_unique; exact d1).
  replace (Derive (fun x => excess x) x) with (- ((c0 + c1 * sigma x) * excess x / x)) by (symmetry; apply is_derive_unique; exact d2).
  field. lra.
Qed.

Theorem student_above_teacher : forall x, x < LS x.
Proof. intros. unfold DistillationLaw.LS. pose proof (excess_pos U K c0 c1 p x HU). lra. Qed.

Lemma damping : forall x, 1 - c1 / p * ratio x <= Rpower (1 + ratio x) (- c1 / p) < 1.
Proof.
  intros x. pose proof (ratio_pos K p x) as Hz. unfold Rpower at 1 2.
  assert (Hq : 0 < c1 / p) by (apply Rdiv_lt_0_compat; auto).
  replace (- c1 / p * ln (1 + ratio x)) with (- (c1 / p * ln (1 + ratio x))) by (field; lra).
  assert (L0 : 0 < ln (1 + ratio x)) by (rewrite <- ln_1; apply ln_increasing; lra).
  assert (L1 : ln (1 + ratio x) <= ratio x).
  { rewrite <- (ln_exp (ratio x)) at 2. left. apply ln_increasing; [lra|]. apply exp_ineq1. lra. }
  assert (P : 0 < c1 / p * ln (1 + ratio x)) by (apply Rmult_lt_0_compat; auto).
  assert (c1 / p * ln (1 + ratio x) <= c1 / p * ratio x) by (apply Rmult_le_compat_l; lra).
  split.
  - apply Rle_trans with (1 + - (c1 / p * ln (1 + ratio x))); [lra|]. apply exp_ineq1_le.
  - apply Rlt_le_trans with (exp 0); [apply exp_increasing; lra|rewrite exp_0; lra].
Qed.
Theorem upper_bound : forall x, 0 < x -> LS x - x < U * Rpower x (- c0).
Proof.
  intros x Hx. unfold DistillationLaw.LS, DistillationLaw.excess.
  assert (P : 0 < U * Rpower x (- c0)) by (apply Rmult_lt_0_compat; auto; apply exp_pos).
  pose proof (damping x) as [_ H]. apply Rmult_lt_compat_l with (r := U * Rpower x (- c0)) in H; auto. lra.
Qed.
Theorem lower_bound : forall x, 0 < x -> U * Rpower x (- c0) * (1 - c1 / p * ratio x) <= LS x - x.
Proof.
  intros x Hx. unfold DistillationLaw.LS, DistillationLaw.excess.
  assert (P : 0 < U * Rpower x (- c0)) by (apply Rmult_lt_0_compat; auto; apply exp_pos).
  pose proof (damping x) as [H _]. apply Rmult_le_compat_l with (r := U * Rpower x (- c0)) in H; lra.
Qed.
Theorem weak_teacher_limit : forall eps x, 0 < eps -> Rpower (U / eps) (1 / c0) <= x -> LS x - x < eps.
Proof.
  intros eps x He Hx. assert (Hpos : 0 < Rpower (U / eps) (1 / c0)) by apply exp_pos.
  apply Rlt_le_trans with (U * Rpower x (- c0)); [apply upper_bound; lra|].
  assert (E : Rpower (Rpower (U / eps) (1 / c0)) (- c0) = eps / U).
  { rewrite Rpower_mult. replace (1 / c0 * - c0) with (- (1)) by (field; lra).
    rewrite Rpower_Ropp, Rpower_1 by (apply Rdiv_lt_0_compat; auto). field. lra. }
  assert (G : Rpower x (- c0) <= eps / U).
  { rewrite <- E. destruct Hx as [Hx|Hx]; [left; apply Rpower_lt_exponent_neg; auto|rewrite Hx; lra]. }
  apply Rmult_le_compat_l with (r := U) in G; [|lra]. replace (U * (eps / U)) with eps in G by (field; lra). exact G.
Qed.
End Law.

Theorem increasing_in_U : forall U U' K c0 c1 p x, U < U' -> LS U K c0 c1 p x < LS U' K c0 c1 p x.
Proof.
  intros. unfold LS, excess. apply Rplus_lt_compat_l.
  apply Rmult_lt_compat_r; [apply exp_pos|]. apply Rmult_lt_compat_r; [apply exp_pos|auto].
Qed.
Theorem increasing_in_K : forall U K K' c0 c1 p x, 0 < U -> 0 < K -> K < K' -> 0 < c1 -> 0 < p -> 0 < x ->
  LS U K c0 c1 p x < LS U K' c0 c1 p x.
Proof.
  intros. unfold LS, excess. apply Rplus_lt_compat_l.
  apply Rmult_lt_compat_l; [apply Rmult_lt_0_compat; [auto|apply exp_pos]|].
  assert (E : ratio K' p x < ratio K p x).
  { unfold ratio, Rpower. apply exp_increasing. apply Rmult_lt_compat_l; auto.
    apply ln_increasing; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_lt_compat_l; auto.
    apply Rinv_lt_contravar; [apply Rmult_lt_0_compat; lra|auto]. }
  pose proof (ratio_pos K' p x). replace (- c1 / p) with (- (c1 / p)) by (field; lra).
  apply Rpower_lt_exponent_neg; [apply Rdiv_lt_0_compat; auto|lra|lra].
Qed.
Theorem homogeneity : forall a U K c0 c1 p x, 0 < a -> 0 < K -> 0 < x ->
  LS (Rpower a (1 + c0) * U) (a * K) c0 c1 p (a * x) = a * LS U K c0 c1 p x.
Proof.
  intros. unfold LS, excess, ratio. replace (a * x / (a * K)) with (x / K) by (field; lra).
  rewrite Rmult_plus_distr_l. f_equal.
  replace (Rpower (a * x) (- c0)) with (Rpower a (- c0) * Rpower x (- c0)) by (apply Rpower_mult_distr; auto).
  replace (Rpower a (1 + c0) * U * (Rpower a (- c0) * Rpower x (- c0))) with
    ((Rpower a (1 + c0) * Rpower a (- c0)) * (U * Rpower x (- c0))) by ring.
  rewrite <- Rpower_plus. replace (1 + c0 + - c0) with 1 by ring. rewrite Rpower_1 by auto. ring.
Qed.
