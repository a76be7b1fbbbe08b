"""What keeps one installation running: retention, copies, clocks, readiness, and what Python and the kernel do."""
