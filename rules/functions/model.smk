# Parameters and input functions of rules/model.smk.


def model_source(wildcards):
    """Return the GGUF file of the embedded model, or nothing for other sources."""
    return rules.fetch_embedded_model.output.gguf if config["model"]["source"] == "embedded" else []
