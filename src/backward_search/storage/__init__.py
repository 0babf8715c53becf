"""Where things lie on disk, how they get there whole, and how a stage knows that its work is already done."""
