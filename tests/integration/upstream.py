"""Run by upstream.sh: X25519MLKEM768 is offered on request, at every depth, and only then."""
from peers import Suite, only


def groups_of(suite, lines, trust, *arguments):
    records = suite.sweep(lines, "--server-rate-limit", "0", *arguments, trust=trust)
    for record in records:
        suite.fields(f"{record['host']} {' '.join(arguments)}", only(record), status="success")
    return {only(record)["group"] for record in records}


def main():
    with Suite("mlkem") as suite:
        trust = str(suite.work / "fleet.pem")
        (port,) = suite.start_fleet("--port", "0", "--identities", "40", "--dual", "--tls", "1.3",
                                    "--write-trust", trust)
        lines = [{"host": f"h{i}.fleet.test", "connect": f"127.0.0.{i}", "port": port}
                 for i in range(1, 41)]
        for depth in "complete", "prove", "capture":
            hybrid = groups_of(suite, lines, trust, "--depth", depth, "--groups",
                               "X25519MLKEM768:X25519:P-256")
            suite.equal(f"asked for at {depth}", hybrid, {"X25519MLKEM768"})
            suite.equal(f"nothing fell back at {depth}", suite.metadata["handshakes"]["fallback"], 0)
            suite.equal(f"not asked for at {depth}",
                        groups_of(suite, lines, trust, "--depth", depth), {"X25519"})
        suite.check("the metadata name it", suite.metadata["boringssl"].startswith("upstream, API "),
                    suite.metadata["boringssl"])


main()
