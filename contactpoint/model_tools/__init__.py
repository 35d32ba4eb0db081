"""What people do with a linkage model: evaluate it, compare two, try one on the real log, put one into force."""
