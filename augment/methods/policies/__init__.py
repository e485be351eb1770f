"""AutoAugment, RandAugment and TrivialAugment: tables of operations, draws, kernel."""
