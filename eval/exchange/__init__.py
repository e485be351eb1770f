"""Results in the shapes of other suites, out and in; one file a suite.

    torch-uncertainty   a line per run: `test/cls/Acc`, `test/cal/ECE`, `shift/cls/Acc`, `ood/...`, fractions
    OpenOOD             a line per outlier set: FPR@95, AUROC, AUPR_IN, AUPR_OUT, ACC, percent with two digits
    RobustBench         one document per model: clean_acc, corruptions_acc, percent as text

What is brought in stays marked as imported: definitions differ in places (`Suite.differs`).
"""
