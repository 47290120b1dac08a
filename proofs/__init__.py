"""The theory's statements, checked by machine: one theorem per file.

Each file holds ``THEOREM`` (its name, its statement, the tool that proves it) and ``prove()``,
which returns a `checking.Proof`: a status, the time it took, and the steps. A file's docstring
says what the theorem means for somebody who distils models, what it assumes, and where it
comes from.

- sympy: identities and limits, by algebra on symbols.
- z3 and cvc5: inequalities over the reals. Both provers must find that no counterexample
  exists; both must find that the hypotheses can hold; and both must find a counterexample to
  every mutant, a nearby false statement, so that a vacuous or mistyped claim cannot pass.
- Arb (python-flint): statements about numbers that powers and logarithms make irrational, by
  interval arithmetic with error bounds.

Nothing here imports the package: `tests/proofs` evaluates the package's functions and the
formulas proved here at the same points. ``python -m proofs`` proves everything and writes the
table given by ``--out``; it needs the extra ``proofs``. Proofs over all dimensions at once are in
``proofs/coq``; ``--coq`` compiles them too. The table in the repository:

    python -m proofs --coq --out figures/proofs.csv
"""
