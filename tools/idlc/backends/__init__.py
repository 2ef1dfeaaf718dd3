"""Back ends of idlc: each module has generate(model, outdir). write() keeps the time stamp of a file that does not change."""
import os


def write(outdir, name, text):
    path = os.path.join(outdir, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
