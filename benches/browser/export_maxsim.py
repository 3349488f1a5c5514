"""Write MaxSim as the ONNX graphs that onnxruntime-web is measured with.

    python export_maxsim.py --out target/bench/onnx/maxsim

writes OUT/f32.onnx (MatMul, ReduceMax, ReduceSum) and OUT/int8.onnx (MatMulInteger, and a scale for each row around it):

    documents [documents, rows, dimension], query [dimension, query rows] -> scores [documents]

Codes of documents are unsigned with a zero point of 128: signed ones take ten times as long in the browser. Both graphs run once and
are compared with numpy.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

ZERO = 128
# onnxruntime-web reads graphs of this version, whatever the newest is.
OPSET, IR = 17, 8


def graph(name: str, nodes: list, inputs: list, constants: list) -> onnx.ModelProto:
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["documents"])
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    made = helper.make_graph(nodes, name, inputs, [scores], [axis, *constants])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return model


def tensor(name: str, kind: int, shape: list):
    return helper.make_tensor_value_info(name, kind, shape)


def f32() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["codes", "query"], ["similarities"]),
        helper.make_node("ReduceMax", ["similarities"], ["largest"], axes=[1], keepdims=0),
        helper.make_node("ReduceSum", ["largest", "axis"], ["scores"], keepdims=0),
    ]
    inputs = [
        tensor("codes", TensorProto.FLOAT, ["documents", "rows", "dimension"]),
        tensor("query", TensorProto.FLOAT, ["dimension", "queries"]),
    ]
    return graph("f32", nodes, inputs, [])


def int8() -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMulInteger", ["codes", "query", "zero"], ["products"]),
        helper.make_node("Cast", ["products"], ["exact"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["exact", "scales"], ["similarities"]),
        helper.make_node("ReduceMax", ["similarities"], ["largest"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["largest", "query_scales"], ["scaled"]),
        helper.make_node("ReduceSum", ["scaled", "axis"], ["scores"], keepdims=0),
    ]
    inputs = [
        tensor("codes", TensorProto.UINT8, ["documents", "rows", "dimension"]),
        tensor("scales", TensorProto.FLOAT, ["documents", "rows", 1]),
        tensor("query", TensorProto.INT8, ["dimension", "queries"]),
        tensor("query_scales", TensorProto.FLOAT, ["queries"]),
    ]
    return graph("int8", nodes, inputs, [helper.make_tensor("zero", TensorProto.UINT8, [], [ZERO])])


def check(path: Path, feeds: dict, expected: np.ndarray) -> None:
    (scores,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)
    difference = np.abs(scores - expected).max() / np.abs(expected).max()
    print(f"{path.name}: difference {difference:.1e}")
    if difference > 1e-5:
        raise SystemExit(f"{path} does not compute MaxSim")


def maxsim(query: np.ndarray, documents: np.ndarray) -> np.ndarray:
    return (documents @ query).max(axis=1).sum(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to put the graphs into")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    onnx.save(f32(), out / "f32.onnx")
    codes = random.standard_normal((3, 7, 16), dtype=np.float32)
    query = random.standard_normal((16, 5), dtype=np.float32)
    check(out / "f32.onnx", {"codes": codes, "query": query}, maxsim(query, codes))

    onnx.save(int8(), out / "int8.onnx")
    codes = random.integers(0, 256, (3, 7, 16), dtype=np.uint8)
    query = random.integers(-127, 128, (16, 5), dtype=np.int8)
    scales, query_scales = np.full((3, 7, 1), 0.5, np.float32), np.full(5, 0.25, np.float32)
    feeds = {"codes": codes, "scales": scales, "query": query, "query_scales": query_scales}
    exact = (codes.astype(np.float32) - ZERO) * scales
    check(out / "int8.onnx", feeds, maxsim(query * query_scales, exact))


if __name__ == "__main__":
    main()
