"""Runs as tables: what a fit takes, read from files or shipped with the package."""
