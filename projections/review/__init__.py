"""The review queue: open questions for people, with owner and age, and how each was answered."""
