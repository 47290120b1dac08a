"""The mapping problem: small networks whose students can be spoiled by a teacher too strong."""
