"""The programs of a Kafka broker: Java archives, fetched once by Maven and kept for the next runs."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

VERSION = "4.2.0"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>penstock.tests</groupId>
  <artifactId>broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
#: Java that the broker runs on.
OLDEST_JAVA = 17


def cache_folder() -> Path:
    """Return where tests keep what they fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock-tests"


@cache
def jars() -> Path:
    """Return the folder of the archives; fetch them the first time.

    Raises:
        RuntimeError: Maven cannot fetch them.
    """
    folder = cache_folder() / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder

    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of tests want them at once
        if not folder.is_dir():
            fetch(folder)

    return folder


def fetch(folder: Path) -> None:
    """Let Maven fetch the archives: into a folder beside, which is moved when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        (Path(made) / "pom.xml").write_text(POM)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={made}/jars"], check=False, capture_output=True, text=True, cwd=made
        )
        if done.returncode != 0:
            raise RuntimeError(f"Maven cannot fetch the broker: {done.stdout[-2000:]}{done.stderr[-2000:]}")

        (Path(made) / "jars").rename(folder)


@cache
def missing_jars() -> str | None:
    """Say why there is no broker of our own."""
    if shutil.which("java") is None:
        return "there is no `java`"

    told = subprocess.run(["java", "-version"], check=False, capture_output=True, text=True)
    if (version := java_version(told.stderr)) < OLDEST_JAVA:
        return f"`java` is {version or 'unknown'}, the broker needs {OLDEST_JAVA}"

    if not (cache_folder() / f"kafka-{VERSION}").is_dir() and shutil.which("mvn") is None:
        return "there is no `mvn` to fetch the broker with"

    return None


def java_version(told: str) -> int:
    """Return the main version of what ``java -version`` tells; 0 when that is unreadable."""
    parts = told.partition('"')[2].partition('"')[0].split(".")
    numbers = [int(part) for part in parts[:2] if part.isdigit()]
    return (numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]) if numbers else 0
