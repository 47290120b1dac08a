(* Strict convexity of functions of one variable, and what it says about minima.

   Statements  [convex_of_increasing_derivative] a strictly increasing derivative makes a
                 function strictly convex;
               [increasing_of_second_derivative] a second derivative positive but at one point
                 makes the derivative strictly increasing;
               [one_minimiser]        strictly convex: at most one minimiser;
               [stationary_minimises] a zero of an increasing derivative is the strict minimum.
   Meaning     Tools for the hinge law and the distillation law.
   Hypotheses  everything on a convex set P of the line.
   Source      textbook; proved here because the libraries do not hold them in this form. *)
Require Import Reals Lra Psatz.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

Definition interval (P : R -> Prop) := forall x y z, P x -> P y -> x <= z <= y -> P z.
Definition strictly_convex (P : R -> Prop) (f : R -> R) := forall x y w, P x -> P y -> x <> y ->
  0 < w < 1 -> f (w * x + (1 - w) * y) < w * f x + (1 - w) * f y.
Definition increasing_on (P : R -> Prop) (f : R -> R) := forall x y, P x -> P y -> x < y -> f x < f y.
Definition minimises (P : R -> Prop) (f : R -> R) x := P x /\ forall y, P y -> f x <= f y.

Section Convex.
Variables (P : R -> Prop) (f df : R -> R).
Hypothesis HP : interval P.
Hypothesis Hd : forall x, P x -> is_derive f x (df x).

Lemma mean_value : forall x y, P x -> P y -> x < y -> exists c, f y - f x = df c * (y - x) /\ x < c < y.
Proof.
  intros x y Hx Hy Hxy. apply MVT_cor2; auto. intros c Hc. apply is_derive_Reals, Hd. apply HP with x y; auto.
Qed.
Lemma increasing_of_positive : forall z, (forall x, P x -> x <> z -> 0 < df x) -> increasing_on P f.
Proof.
  intros z Hz.
  assert (K : forall x y, P x -> P y -> x < y -> ~ (x < z < y) -> f x < f y).
  { intros x y Hx Hy Hxy Ho. destruct (mean_value x y Hx Hy Hxy) as (c & E & Hc).
    assert (0 < df c) by (apply Hz; [apply HP with x y; auto; lra|intro; subst; auto]).
    assert (0 < df c * (y - x)) by (apply Rmult_lt_0_compat; lra). lra. }
  intros x y Hx Hy Hxy. destruct (Rlt_dec x z) as [h|h]; [destruct (Rlt_dec z y) as [h'|h']|].
  - assert (Hpz : P z) by (apply HP with x y; auto; lra).
    apply Rlt_trans with (f z); apply K; auto; lra.
  - apply K; auto; lra.
  - apply K; auto; lra.
Qed.
Hypothesis Hinc : increasing_on P df.
Theorem convex_of_increasing_derivative : strictly_convex P f.
Proof.
  assert (K : forall x y w, P x -> P y -> x < y -> 0 < w < 1 -> f (w * x + (1 - w) * y) < w * f x + (1 - w) * f y).
  { intros x y w Hx Hy Hxy Hw. set (z := w * x + (1 - w) * y).
    assert (Hm : 0 < (1 - w) * (y - x)) by (apply Rmult_lt_0_compat; lra).
    assert (Hm' : 0 < w * (y - x)) by (apply Rmult_lt_0_compat; lra).
    assert (E : z - x = (1 - w) * (y - x)) by (unfold z; ring).
    assert (E' : y - z = w * (y - x)) by (unfold z; ring).
    assert (Hz : P z) by (apply HP with x y; auto; lra).
    destruct (mean_value x z) as (c & Ec & Hc); auto; try lra.
    destruct (mean_value z y) as (d & Ed & Hcd); auto; try lra.
    assert (df c < df d) by (apply Hinc; try lra; [apply HP with x z|apply HP with z y]; auto; lra).
    rewrite E in Ec. rewrite E' in Ed.
    assert (G : w * f x + (1 - w) * f y - f z = (df d - df c) * (w * ((1 - w) * (y - x)))).
    { replace (f y) with (f z + df d * (w * (y - x))) by lra.
      replace (f x) with (f z - df c * ((1 - w) * (y - x))) by lra. ring. }
    assert (0 < (df d - df c) * (w * ((1 - w) * (y - x)))) by (apply Rmult_lt_0_compat; [lra|apply Rmult_lt_0_compat; lra]).
    lra. }
  intros x y w Hx Hy Hxy Hw. destruct (Rdichotomy x y Hxy); [auto|].
  pose proof (K y x (1 - w) Hy Hx ltac:(lra) ltac:(lra)) as H1.
  replace ((1 - w) * y + (1 - (1 - w)) * x) with (w * x + (1 - w) * y) in H1 by ring. lra.
Qed.
Theorem stationary_minimises : forall x, P x -> df x = 0 -> forall y, P y -> y <> x -> f x < f y.
Proof.
  intros x Hx Hz y Hy Hn. destruct (Rdichotomy y x Hn) as [h|h].
  - destruct (mean_value y x Hy Hx h) as (c & E & Hc).
    assert (df c < df x) by (apply Hinc; auto; [apply HP with y x; auto; lra|lra]).
    assert (0 < (- df c) * (x - y)) by (apply Rmult_lt_0_compat; lra). lra.
  - destruct (mean_value x y Hx Hy h) as (c & E & Hc).
    assert (df x < df c) by (apply Hinc; auto; [apply HP with x y; auto; lra|lra]).
    assert (0 < df c * (y - x)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
End Convex.

Theorem one_minimiser : forall P f x y, interval P -> strictly_convex P f ->
  minimises P f x -> minimises P f y -> x = y.
Proof.
  intros P f x y HP Hc [Hx Hmx] [Hy Hmy]. destruct (Req_dec x y) as [|Hn]; auto.
  pose proof (Hc x y (1 / 2) Hx Hy Hn ltac:(lra)) as H.
  assert (Hm : P (1 / 2 * x + (1 - 1 / 2) * y)).
  { destruct (Rdichotomy x y Hn); [apply HP with x y|apply HP with y x]; auto; lra. }
  pose proof (Hmx _ Hm). pose proof (Hmx _ Hy). pose proof (Hmy _ Hx). lra.
Qed.
Lemma increasing_of_second_derivative : forall P df ddf z, interval P ->
  (forall x, P x -> is_derive df x (ddf x)) -> (forall x, P x -> x <> z -> 0 < ddf x) -> increasing_on P df.
Proof. intros P df ddf z HP Hd Hz. apply increasing_of_positive with (df := ddf) (z := z); auto. Qed.
Lemma real_line : interval (fun _ => True). Proof. intros x y z. auto. Qed.
Lemma positive_line : interval (fun x => 0 < x). Proof. intros x y z H1 H2 H3. lra. Qed.
