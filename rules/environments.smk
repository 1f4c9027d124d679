# Environments of the programs in the sandbox, installed from their lock files.


include: "functions/environments.smk"


rule program_environment:
    input:
        lock=program_lock,
    output:
        packages=directory(f"{DOWNLOADS}/environments/{{programs}}"),
    log:
        result("logs/program_environment/{programs}.log"),
    benchmark:
        result("benchmarks/program_environment/{programs}.tsv")
    cache: CACHING
    retries: 2
    localrule: True
    conda:
        environment("runtime")
    container:
        image("runtime")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        code=fingerprint("program_environment"),
        lock=program_lock_contents,
    message:
        "Install the packages of the environment {wildcards.programs} for programs in the sandbox"
    script:
        "../scripts/program_environment.py"
