(* A ridge student taught by a perfect teacher: its effective capacity.

   e_i = lam_i beta_i^2 >= 0  energy of mode i;  t m  energy beyond the first m modes
   s_i in (0, 1]  the student's shrinkage of mode i, never rising in i
   gamma in [0, 1)  its degrees of freedom per sample (both depend on the student alone)
   B m = sum_{i<m} e_i (1 - s_i)^2
   E m = t m + B m/(1 - gamma) for m <= n,
         t n + B n/(1 - gamma) + gamma/(1 - gamma) (t n - t m) for m >= n
   threshold = 1 - sqrt (1 - gamma)

   Statements  [left_falls_iff]  m < n: E(m+1) < E(m) iff e_m > 0 and s_m > threshold;
               [right_rises_iff] m >= n: E(m+1) > E(m) iff e_m > 0 and gamma > 0;
               [effective_capacity] if exactly the first k <= n modes of the student have
                                 s_i > threshold, then m = k is a global minimiser;
               [effective_capacity_strict] the only one, if no mode is empty, no s_i sits at
                                 the threshold and gamma > 0.
   Meaning     The best teacher has as many modes as the student learns well, not as many as it
               has: k, not n.
   Hypotheses  as above; the form of E is the deterministic equivalent (large samples).
   Source      closed form and theorem of this project. *)
Require Import Reals Lra Lia Psatz Arith.
Require Import CapGap.Sums.
Open Scope R_scope.

Section Ridge.
Variables (e s : nat -> R) (gamma total : R) (n : nat).
Hypothesis He : forall i, 0 <= e i.
Hypothesis Hs : forall i, 0 < s i <= 1.
Hypothesis Hg : 0 <= gamma < 1.

Definition t m := total - sum e m.
Definition B m := sum (fun i => e i * ((1 - s i) * (1 - s i))) m.
Definition E m := if (m <=? n)%nat then t m + B m / (1 - gamma)
  else t n + B n / (1 - gamma) + gamma / (1 - gamma) * (t n - t m).
Definition threshold := 1 - sqrt (1 - gamma).

Lemma E_small : forall m, (m <= n)%nat -> E m = t m + B m / (1 - gamma).
Proof. intros. unfold E. apply Nat.leb_le in H. rewrite H. reflexivity. Qed.
Lemma E_large : forall m, (n <= m)%nat -> E m = t n + B n / (1 - gamma) + gamma / (1 - gamma) * (t n - t m).
Proof.
  intros. unfold E. destruct (m <=? n)%nat eqn:L; [|reflexivity].
  apply Nat.leb_le in L. assert (m = n) by lia. subst. ring.
Qed.
Lemma left_step : forall m, (m < n)%nat -> (1 - gamma) * (E (S m) - E m) = e m * ((1 - s m) * (1 - s m) - (1 - gamma)).
Proof. intros. rewrite !E_small by lia. unfold t, B. simpl. field. lra. Qed.
Lemma right_step : forall m, (n <= m)%nat -> (1 - gamma) * (E (S m) - E m) = gamma * e m.
Proof. intros. rewrite !E_large by lia. unfold t. simpl. field. lra. Qed.
Lemma weak_sign : forall x, (1 - s x) * (1 - s x) - (1 - gamma) < 0 <-> threshold < s x.
Proof.
  intros x. unfold threshold. pose proof (sqrt_pos (1 - gamma)) as Hq.
  pose proof (sqrt_sqrt (1 - gamma) ltac:(lra)) as Hqq. set (r := sqrt (1 - gamma)) in *.
  specialize (Hs x). rewrite <- Hqq. split; intro H; apply Rnot_le_lt; intro Hl.
  - assert (r * r <= (1 - s x) * (1 - s x)) by (apply Rmult_le_compat; lra). lra.
  - assert (0 < (r - (1 - s x)) * (r + (1 - s x))); [|lra].
    apply Rmult_lt_0_compat; [lra|]. assert (0 < r) by (apply sqrt_lt_R0; lra). lra.
Qed.
Theorem left_falls_iff : forall m, (m < n)%nat -> (E (S m) < E m <-> 0 < e m /\ threshold < s m).
Proof.
  intros m Hm. pose proof (left_step m Hm) as St. rewrite <- weak_sign. specialize (He m).
  set (w := (1 - s m) * (1 - s m) - (1 - gamma)) in *. split.
  - intro H. assert (P : 0 < (1 - gamma) * (E m - E (S m))) by (apply Rmult_lt_0_compat; lra).
    assert (P' : e m * w < 0) by lra. split.
    + destruct He as [|Z]; auto. rewrite <- Z in P'. lra.
    + apply Rnot_le_lt. intro Hl. assert (0 <= e m * w) by (apply Rmult_le_pos; lra). lra.
  - intros [H1 H2]. assert (0 < e m * - w) by (apply Rmult_lt_0_compat; lra).
    apply Rnot_le_lt. intro Hl. assert (0 <= (1 - gamma) * (E (S m) - E m)) by (apply Rmult_le_pos; lra). lra.
Qed.
Theorem right_rises_iff : forall m, (n <= m)%nat -> (E m < E (S m) <-> 0 < e m /\ 0 < gamma).
Proof.
  intros m Hm. pose proof (right_step m Hm) as St. specialize (He m). split.
  - intro H. assert (P : 0 < (1 - gamma) * (E (S m) - E m)) by (apply Rmult_lt_0_compat; lra).
    rewrite St in P. split.
    + destruct He as [|Z]; auto. rewrite <- Z in P. lra.
    + destruct (proj1 Hg) as [|Z]; auto. rewrite <- Z in P. lra.
  - intros [H1 H2]. assert (0 < gamma * e m) by (apply Rmult_lt_0_compat; auto).
    apply Rnot_le_lt. intro Hl. assert (0 <= (1 - gamma) * (E m - E (S m))) by (apply Rmult_le_pos; lra). lra.
Qed.

Variable k : nat.
Hypothesis Hk : (k <= n)%nat.
Hypothesis Hin : forall i, (i < k)%nat -> threshold < s i.
Hypothesis Hout : forall i, (k <= i < n)%nat -> s i <= threshold.

Lemma before : forall m, (m < k)%nat -> E (S m) <= E m.
Proof.
  intros m Hm. destruct (He m) as [H|H].
  - left. apply left_falls_iff; [lia|]. auto.
  - pose proof (left_step m ltac:(lia)) as St. rewrite <- H in St. apply Rnot_lt_le. intro Hl.
    assert (0 < (1 - gamma) * (E (S m) - E m)) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma after : forall m, (k <= m)%nat -> E m <= E (S m).
Proof.
  intros m Hm. apply Rnot_lt_le. intro Hl. destruct (le_lt_dec n m) as [h|h].
  - pose proof (right_step m h) as St.
    assert (0 < (1 - gamma) * (E m - E (S m))) by (apply Rmult_lt_0_compat; lra).
    assert (0 <= gamma * e m) by (apply Rmult_le_pos; [lra|auto]). lra.
  - apply left_falls_iff in Hl; auto. specialize (Hout m (conj Hm h)). lra.
Qed.
Lemma falling : forall m j, (m <= j)%nat -> (j <= k)%nat -> E j <= E m.
Proof. intros m j H. induction H; intros; [lra|]. apply Rle_trans with (E m0); [apply before; lia|apply IHle; lia]. Qed.
Lemma rising : forall m j, (k <= m)%nat -> (m <= j)%nat -> E m <= E j.
Proof. intros m j Hm H. induction H; [lra|]. apply Rle_trans with (E m0); [apply IHle|apply after; lia]. Qed.
Theorem effective_capacity : forall m, E k <= E m.
Proof. intros. destruct (le_lt_dec k m); [apply rising|apply falling]; lia. Qed.
Theorem effective_capacity_strict : (forall i, 0 < e i) -> 0 < gamma ->
  (forall i, (k <= i < n)%nat -> s i < threshold) -> forall m, m <> k -> E k < E m.
Proof.
  intros Hpos Hgp Hs' m Hn. destruct (Nat.lt_trichotomy m k) as [H|[H|H]]; [|contradiction|].
  - apply Rle_lt_trans with (E (S m)); [apply falling; lia|]. apply left_falls_iff; [lia|]. auto.
  - apply Rlt_le_trans with (E (S k)); [|apply rising; lia].
    destruct (le_lt_dec n k) as [h|h]; [apply right_rises_iff; auto|].
    pose proof (left_step k h) as St. specialize (Hs' k (conj (le_n k) h)). specialize (Hpos k).
    assert (W : 0 < (1 - s k) * (1 - s k) - (1 - gamma)).
    { unfold threshold in Hs'. pose proof (sqrt_pos (1 - gamma)). pose proof (sqrt_sqrt (1 - gamma) ltac:(lra)) as Hqq.
      set (r := sqrt (1 - gamma)) in *. assert (0 < ((1 - s k) - r) * ((1 - s k) + r)) by (apply Rmult_lt_0_compat; lra). lra. }
    assert (0 < e k * ((1 - s k) * (1 - s k) - (1 - gamma))) by (apply Rmult_lt_0_compat; auto).
    apply Rnot_le_lt. intro Hl. assert (0 <= (1 - gamma) * (E k - E (S k))) by (apply Rmult_le_pos; lra). lra.
Qed.
End Ridge.
