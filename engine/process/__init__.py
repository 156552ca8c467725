"""What the processes are made of, how they live, and when they are ready."""
