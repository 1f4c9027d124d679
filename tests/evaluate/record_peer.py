"""Record the verdicts of nvidia-livecodebench on our records: `make livecodebench-peer`.

The package is installed in a temporary environment, with the packages that its scoring imports and no others. It runs the
answers in processes of its own without a sandbox; they are ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from peer_records import records

RECORDED = Path(__file__).with_name("peer_verdicts.json")
PACKAGE = "nvidia-livecodebench==26.3"
# What its scoring imports, and what it lets the code of the execution scenario use.
IMPORTED = ("numpy", "tqdm", "pandas")
# Runs in the temporary environment; writes the verdicts of the records on standard input to the file that is its argument.
DRIVER = """
import json, sys
from livecodebench.evaluation.compute_code_execution_metrics import evaluate_score
from livecodebench.evaluation.compute_code_generation_metrics import evaluate_generations_by_problem
from livecodebench.evaluation.compute_test_output_prediction_metrics import check_testcase_output

def verdict(record):
    if record["scenario"] == "codegeneration":
        inputs, outputs = zip(*record["cases"])
        sample = {"inputs": inputs, "outputs": outputs, "fn_name": record["function"]}
        (found,), _ = evaluate_generations_by_problem(
            ([record["answer"]], {"input_output": json.dumps(sample)}, False, 6)
        )
        return len(found) > 0 and all(each is True for each in found)
    if record["scenario"] == "testoutputprediction":
        return check_testcase_output(record["answer"], record["output"])
    task = record["code"], record["call"], record["output"]
    return evaluate_score(([record["answer"]], task)) == [True]

if __name__ == "__main__":
    found = {record["id"]: verdict(record) for record in json.load(sys.stdin)}
    with open(sys.argv[1], "w") as out:
        json.dump(found, out)
"""


def main() -> None:
    """Write the recorded verdicts."""
    with tempfile.TemporaryDirectory() as directory:
        environment, driver, out = (Path(directory) / name for name in ("venv", "driver.py", "out.json"))
        venv.create(environment, with_pip=True)
        python = environment / "bin/python"
        for arguments in (["--no-deps", PACKAGE], IMPORTED):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True)
        driver.write_text(DRIVER)
        subprocess.run(
            [python, driver, out],
            input=json.dumps(records()),
            text=True,
            check=True,
            cwd=directory,
            stdout=sys.stderr,
        )
        verdicts = json.loads(out.read_text())
    content = {"peer": PACKAGE, "python": sys.version.split()[0], "passed": verdicts}
    RECORDED.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
