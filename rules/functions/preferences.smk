# Outputs of rules/preferences.smk that other rules use; empty without preferences.

PREFERENCES = config["preferences"]["enabled"]
PREFERENCE_COUNTS = [result("preferences/counts/pairs.json")] if PREFERENCES else []
PREFERENCE_PAIRS = [result("preferences/train.jsonl")] if PREFERENCES else []
PREFERRED_MODEL = [result("model/preferred")] if PREFERENCES else []
PREFERRED_METRICS = [result("model/preferred.metrics.jsonl")] if PREFERENCES else []
PREFERENCE_CARDS = (
    [result("preferences/README.md"), result("model/preferred.README.md")] if PREFERENCES else []
)
