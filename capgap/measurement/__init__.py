"""What happens: runs, their records, and sweeps over them."""
