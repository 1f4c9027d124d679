"""Records of the schema of DS-1000, written for these tests: several for each of its libraries, each with a wrong answer."""

from __future__ import annotations

from typing import Any

# Like the published contexts: `[insert]` is replaced by the answer, and the variable `result` is compared.
CONTEXT = """\
{imports}

def generate_test_case(test_case_id):
    {case}
    return test_input, expected_result

def exec_test(result, ans):
    {compare}
    return 1

exec_context = r'''
{imports}
{inputs}
[insert]
'''

def test_execution(solution: str):
    code = exec_context.replace("[insert]", solution)
    for i in range(2):
        test_input, expected_result = generate_test_case(i + 1)
        test_env = {{"test_input": test_input}}
        exec(code, test_env)
        assert exec_test(test_env["result"], expected_result)
"""

# A figure is compared with that of the reference, pixel by pixel, and its artists are inspected.
FIGURE_CONTEXT = """\
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
{imports}

def draw(code, name):
    plt.close("all")
    exec(code, {{}})
    plt.savefig(name, bbox_inches="tight")
    return np.array(Image.open(name))

exec_context = r'''
import matplotlib.pyplot as plt
import numpy as np
{imports}
[insert]
'''

def test_execution(solution: str):
    expected = draw(exec_context.replace("[insert]", {reference!r}), "expected.png")
    found = draw(exec_context.replace("[insert]", solution), "found.png")
    if found.shape == expected.shape and np.allclose(found, expected):
        return
    axes = plt.gca()
    assert {check}
"""


def _record(library: str, task: dict[str, str]) -> dict[str, Any]:
    template = FIGURE_CONTEXT if library == "Matplotlib" else CONTEXT
    context = template.format(**{"imports": "", **task})
    if "forbidden" in task:
        context += f"\ndef test_string(solution: str):\n    assert {task['forbidden']!r} not in solution\n"
    imports = task.get("imports") or "import matplotlib.pyplot as plt"
    return {
        "prompt": f"Problem:\n{task['question']}\nA:\n<code>\n{imports}\n</code>\nresult = ... # put solution in this variable\n",
        "reference_code": task["reference"],
        "code_context": context,
        "wrong_code": task["wrong"],
        "library": library,
    }


PANDAS = "import numpy as np\nimport pandas as pd"
NUMPY = "import numpy as np"
TORCH = "import numpy as np\nimport torch"
TENSORFLOW = "import numpy as np\nimport tensorflow as tf"
FRAMES = "pd.testing.assert_frame_equal(result, ans, check_dtype=False)"
ARRAYS = "np.testing.assert_allclose(result, ans)"

TASKS: dict[str, list[dict[str, str]]] = {
    "Pandas": [
        {
            "question": "Add the mean of `b` within each group of `a` as the column `mean`.",
            "imports": PANDAS,
            "inputs": "df = test_input",
            "case": "test_input = pd.DataFrame({'a': ['x', 'x', 'y'], 'b': [1, 3 * test_case_id, 5]}); "
            "expected_result = test_input.assign(mean=[(1 + 3 * test_case_id) / 2] * 2 + [5.0])",
            "compare": FRAMES,
            "reference": "df['mean'] = df.groupby('a')['b'].transform('mean')\nresult = df",
            "wrong": "result = df.assign(mean=df['b'].mean())",
        },
        {
            # Removed in pandas 2: the answers of the benchmark use what its version had.
            "question": "Append the second frame to the first one, with a new index.",
            "imports": PANDAS,
            "inputs": "first, second = test_input",
            "case": "test_input = (pd.DataFrame({'a': [1]}), pd.DataFrame({'a': [test_case_id, 3]})); "
            "expected_result = pd.DataFrame({'a': [1, test_case_id, 3]})",
            "compare": FRAMES,
            "reference": "result = first.append(second, ignore_index=True)",
            "wrong": "result = first.append(second)",
        },
        {
            "question": "Turn the columns into rows, without a loop.",
            "imports": PANDAS,
            "inputs": "df = test_input",
            "case": "test_input = pd.DataFrame({'id': [1, 2], 'u': [3, 4], 'v': [5, test_case_id]}); "
            "expected_result = pd.DataFrame({'id': [1, 2, 1, 2], 'variable': list('uuvv'), "
            "'value': [3, 4, 5, test_case_id]})",
            "compare": FRAMES,
            "reference": "result = df.melt('id')",
            "wrong": "result = pd.DataFrame([(i, c, v) for c in 'uv' for i, v in zip(df['id'], df[c])], "
            "columns=['id', 'variable', 'value'])",
            "forbidden": "for",
        },
    ],
    "Numpy": [
        {
            "question": "Return the index of the maximum as a tuple.",
            "imports": NUMPY,
            "inputs": "a = test_input",
            "case": "test_input = np.arange(6).reshape(2, 3) * (-1) ** test_case_id; "
            "expected_result = (0, 0) if test_case_id % 2 else (1, 2)",
            "compare": ARRAYS,
            "reference": "result = np.unravel_index(a.argmax(), a.shape)",
            "wrong": "result = a.argmax()",
        },
        {
            # An alias that numpy 2 removed.
            "question": "Multiply the columns row by row.",
            "imports": NUMPY,
            "inputs": "a = test_input",
            "case": "test_input = np.full((2, 3), test_case_id + 1); "
            "expected_result = np.full(2, (test_case_id + 1) ** 3)",
            "compare": ARRAYS,
            "reference": "result = np.product(a, axis=1)",
            "wrong": "result = np.product(a, axis=0)",
        },
        {
            "question": "Center the rows.",
            "imports": NUMPY,
            "inputs": "a = test_input",
            "case": "test_input = np.array([[1.0, 3.0], [2.0, 2.0 + test_case_id]]); "
            "expected_result = test_input - test_input.mean(axis=1)[:, None]",
            "compare": ARRAYS,
            "reference": "result = a - a.mean(axis=1, keepdims=True)",
            "wrong": "result = a - a.mean(axis=0)",
        },
    ],
    "Scipy": [
        {
            "question": "Fit the exponent of y = exp(k x).",
            "imports": NUMPY + "\nimport scipy.optimize",
            "inputs": "x, y = test_input",
            "case": "x = np.linspace(0, 1, 20); test_input = (x, np.exp(test_case_id * x)); "
            "expected_result = [test_case_id]",
            "compare": "np.testing.assert_allclose(result, ans, atol=1e-5)",
            "reference": "result = scipy.optimize.curve_fit(lambda x, k: np.exp(k * x), x, y)[0]",
            "wrong": "result = np.polyfit(x, y, 1)[:1]",
        },
        {
            # Removed in scipy 1.14.
            "question": "Integrate y over x with Simpson's rule.",
            "imports": NUMPY + "\nfrom scipy import integrate",
            "inputs": "x, y = test_input",
            "case": "x = np.linspace(0, 3, 7); test_input = (x, test_case_id * x**2); "
            "expected_result = 9.0 * test_case_id",
            "compare": ARRAYS,
            "reference": "result = integrate.simps(y, x)",
            "wrong": "result = integrate.trapz(y, x)",
        },
        {
            "question": "Return the number of connected components of a graph.",
            "imports": NUMPY + "\nfrom scipy import sparse\nfrom scipy.sparse import csgraph",
            "inputs": "edges, n = test_input",
            "case": "test_input = ([(0, 1), (1, 2)][:test_case_id], 4); expected_result = 4 - test_case_id",
            "compare": ARRAYS,
            "reference": "rows, columns = zip(*edges)\n"
            "graph = sparse.coo_matrix((np.ones(len(edges)), (rows, columns)), shape=(n, n))\n"
            "result, _ = csgraph.connected_components(graph, directed=False)",
            "wrong": "result = n",
        },
    ],
    "Sklearn": [
        {
            "question": "Scale the columns to zero mean and unit variance, and return the array.",
            "imports": NUMPY + "\nfrom sklearn.preprocessing import StandardScaler",
            "inputs": "data = test_input",
            "case": "test_input = np.random.RandomState(test_case_id).rand(9, 2); "
            "expected_result = (test_input - test_input.mean(0)) / test_input.std(0)",
            "compare": ARRAYS,
            "reference": "result = StandardScaler().fit_transform(data)",
            "wrong": "result = data - data.mean(0)",
        },
        {
            # Since version 1.2, the parameter has this name.
            "question": "Encode the letters as columns of a dense array.",
            "imports": NUMPY + "\nfrom sklearn.preprocessing import OneHotEncoder",
            "inputs": "letters = test_input",
            "case": "test_input = list('aba' if test_case_id == 1 else 'abc'); "
            "expected_result = np.eye(3)[:, : test_case_id + 1][[0, 1, 0 if test_case_id == 1 else 2]]",
            "compare": ARRAYS,
            "reference": "result = OneHotEncoder(sparse_output=False).fit_transform(np.array(letters)[:, None])",
            "wrong": "result = OneHotEncoder().fit_transform(np.array(letters)[:, None]).shape",
        },
        {
            "question": "Fit a boosted tree and predict its training data.",
            "imports": NUMPY + "\nimport xgboost",
            "inputs": "x, y = test_input",
            "case": "x = np.arange(20.0)[:, None]; test_input = (x, (x[:, 0] > 4 * test_case_id).astype(int)); "
            "expected_result = test_input[1]",
            "compare": ARRAYS,
            "reference": "result = xgboost.XGBClassifier(n_estimators=9, n_jobs=1).fit(x, y).predict(x)",
            "wrong": "result = 1 - xgboost.XGBClassifier(n_estimators=9, n_jobs=1).fit(x, y).predict(x)",
        },
    ],
    "Matplotlib": [
        {
            "question": "Plot the line y = 2x with a red dashed line.",
            "reference": "x = np.arange(5)\nplt.plot(x, 2 * x, 'r--')",
            "wrong": "x = np.arange(5)\nplt.plot(x, 2 * x, 'b-')",
            "check": "axes.lines[0].get_color() in ('r', 'red') and axes.lines[0].get_linestyle() == '--'",
        },
        {
            "question": "Draw a bar chart of 1, 4, 2 with the title Counts.",
            "reference": "plt.bar(range(3), [1, 4, 2])\nplt.title('Counts')",
            "wrong": "plt.bar(range(3), [1, 4, 2])",
            "check": "axes.get_title() == 'Counts' and len(axes.patches) == 3",
        },
        {
            "question": "Draw a heat map of the matrix with seaborn, with its numbers.",
            "imports": "import seaborn as sns",
            "reference": "sns.heatmap(np.eye(2), annot=True)",
            "wrong": "sns.heatmap(np.eye(2))",
            "check": "len(axes.texts) == 4",
        },
    ],
    "Pytorch": [
        {
            "question": "Return the largest value of each row.",
            "imports": TORCH,
            "inputs": "a = test_input",
            "case": "test_input = torch.arange(6.0).reshape(2, 3) * test_case_id; "
            "expected_result = torch.tensor([2.0, 5.0]) * test_case_id",
            "compare": "torch.testing.assert_close(result, ans)",
            "reference": "result = a.max(dim=1).values",
            "wrong": "result = a.max()",
        },
        {
            "question": "Return the derivative of the sum of cubes.",
            "imports": TORCH,
            "inputs": "a = test_input.requires_grad_()",
            "case": "test_input = torch.full((3,), float(test_case_id)); "
            "expected_result = torch.full((3,), 3.0 * test_case_id**2)",
            "compare": "torch.testing.assert_close(result, ans)",
            "reference": "(a**3).sum().backward()\nresult = a.grad",
            "wrong": "result = (3 * a).detach() - 1",
        },
        {
            "question": "Convert a numpy array to a tensor of 32-bit floats and apply a linear layer of ones.",
            "imports": TORCH,
            "inputs": "a = test_input",
            "case": "test_input = np.full((2, 4), test_case_id); expected_result = torch.full((2, 1), 4.0 * test_case_id)",
            "compare": "torch.testing.assert_close(result, ans)",
            "reference": "layer = torch.nn.Linear(4, 1, bias=False)\ntorch.nn.init.ones_(layer.weight)\n"
            "result = layer(torch.from_numpy(a).float()).detach()",
            "wrong": "result = torch.from_numpy(a).sum(1, keepdim=True)",
        },
    ],
    "Tensorflow": [
        {
            "question": "Multiply two matrices.",
            "imports": TENSORFLOW,
            "inputs": "a, b = test_input",
            "case": "test_input = (tf.ones((2, 3)) * test_case_id, tf.ones((3, 2))); "
            "expected_result = np.full((2, 2), 3.0 * test_case_id)",
            "compare": ARRAYS,
            "reference": "result = tf.linalg.matmul(a, b).numpy()",
            "wrong": "result = (a * 3).numpy()",
        },
        {
            "question": "Return the derivative of x squared.",
            "imports": TENSORFLOW,
            "inputs": "x = tf.Variable(test_input)",
            "case": "test_input = float(test_case_id); expected_result = 2.0 * test_case_id",
            "compare": ARRAYS,
            "reference": "with tf.GradientTape() as tape:\n    y = x**2\nresult = tape.gradient(y, x).numpy()",
            "wrong": "result = (x * 3).numpy()",
        },
        {
            "question": "Return the predictions of a dense layer of ones.",
            "imports": TENSORFLOW,
            "inputs": "x = test_input",
            "case": "test_input = np.full((2, 3), test_case_id, dtype='float32'); "
            "expected_result = np.full((2, 1), 3.0 * test_case_id)",
            "compare": ARRAYS,
            "reference": "model = tf.keras.Sequential([tf.keras.layers.Dense(1, kernel_initializer='ones')])\n"
            "result = model.predict(x, verbose=0)",
            "wrong": "result = x[:, :1]",
        },
    ],
}


def records(*libraries: str) -> list[dict[str, Any]]:
    """Return the records of some libraries, in the published schema, with the field ``wrong_code`` added."""
    found = [_record(library, task) for library in libraries for task in TASKS[library]]
    return [
        {**record, "metadata": {"problem_id": number, "library": record.pop("library")}}
        for number, record in enumerate(found)
    ]
