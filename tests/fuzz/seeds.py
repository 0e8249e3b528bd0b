"""Makes a seed file of each vector: seeds.py VECTORS_FILE FOLDER (no vectors, no seeds)."""
import pathlib
import sys

vectors, folder = map(pathlib.Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
for line in vectors.read_text().splitlines() if vectors.exists() else []:
    name, _, rest = line.partition("\t")
    if rest and not line.startswith("#"):
        (folder / name).write_bytes(bytes.fromhex(rest.split("\t")[0]))
