#!/usr/bin/env python3
"""A root file system's tar as an image of one layer, in the form that engines and registries take.

usage: pack.py docker|oci ROOT.tar IMAGE.tar NAME:TAG
"""
import hashlib
import io
import json
import os
import platform
import sys
import tarfile

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
VENDOR = "application/vnd.oci.image"


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def add(archive, name, data):
    """`data`: text, or an open file."""
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    if isinstance(data, bytes):
        info.size, data = len(data), io.BytesIO(data)
    else:
        info.size = os.fstat(data.fileno()).st_size
    archive.addfile(info, data)


def as_text(value):
    return json.dumps(value, sort_keys=True).encode()


def described(kind, data):
    return {"mediaType": f"{VENDOR}.{kind}", "digest": "sha256:" + hashlib.sha256(data).hexdigest(), "size": len(data)}


def main(form, root, image, name):
    layer = sha256_of(root)
    config = as_text({"architecture": MACHINE, "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + layer]},
                      "config": {"Cmd": ["/bin/bash"], "WorkingDir": "/home",
                                 "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}})
    with tarfile.open(image, "w") as archive, open(root, "rb") as tar:
        if form == "docker":
            add(archive, f"{layer}/layer.tar", tar)
            config_name = hashlib.sha256(config).hexdigest() + ".json"
            add(archive, config_name, config)
            add(archive, "manifest.json", as_text([{"Config": config_name, "RepoTags": [name], "Layers": [f"{layer}/layer.tar"]}]))
            return
        add(archive, "blobs/sha256/" + layer, tar)
        manifest = as_text({"schemaVersion": 2, "mediaType": f"{VENDOR}.manifest.v1+json", "config": described("config.v1+json", config),
                            "layers": [{"mediaType": f"{VENDOR}.layer.v1.tar", "digest": "sha256:" + layer, "size": os.path.getsize(root)}]})
        for blob in (config, manifest):
            add(archive, "blobs/sha256/" + hashlib.sha256(blob).hexdigest(), blob)
        entry = described("manifest.v1+json", manifest)
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        add(archive, "index.json", as_text({"schemaVersion": 2, "manifests": [entry]}))
        add(archive, "oci-layout", as_text({"imageLayoutVersion": "1.0.0"}))


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[1] not in ("docker", "oci"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
