"""The one path of every decision and cue: candidates, stages, score, arbitration."""
