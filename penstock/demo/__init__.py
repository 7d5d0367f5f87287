"""The code behind ``penstock demo``: this machine, watched by Penstock.

``detection`` (polls, reactor, graph) and ``incident`` (the workflow that the graph starts) are what a user of Penstock
writes; ``run`` wires and shows them. What they rest on:

    readings ──► polls ──► signals      what psutil tells, then with a memory, then as values
    sensors                             the five polls of this machine
    way, relay, topic, passage          how readings come to the reactor: directly, or over Kafka
    baseline ──► judging                what is normal; which signals are judged by which rules
    evidence, collect, analysis         what an incident knows, finds out and concludes
    report, chart, words                how it is written down
    load, burn                          the load spike
    progress, streams, frame, view      what is shown while it runs
    summary                             what is said in the end
"""
