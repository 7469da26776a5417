"""A gateway in Python, written from tunnel.proto and PROTOCOL.md alone: the proof that they are enough.

It connects, answers calls of the services below, and cuts its own connection where a message of the `Echo` service
tells it to; then it waits for a line on its standard input, comes back and goes on. It ends well when the server says
goodbye. One thread, no heartbeat of its own; the sections named are those of PROTOCOL.md.

    CLIENT_ID=... TOKEN=... python peer.py --address 127.0.0.1:8443 --certificate server.pem --name localhost

Needs grpcio and grpcio-tools, whose compiler makes the messages from the .proto file each time it starts.
"""

import argparse
import collections
import importlib
import os
import pathlib
import queue
import sys
import tempfile

import grpc
from google.protobuf.wrappers_pb2 import BytesValue
from grpc_tools import protoc

FRAME_COST = 64  # "Credit"
CHUNK = 64 << 10
LEAST_CREDIT = CHUNK + FRAME_COST
REPLAY_BUFFER = 4 << 20  # "Numbers and acknowledgements"
MAX_CALLS = 512  # "Limits"
OK, UNIMPLEMENTED, FAILED_PRECONDITION, RESOURCE_EXHAUSTED = 0, 12, 9, 8


def messages():
    """The modules that the .proto file makes."""
    root = pathlib.Path(__file__).resolve().parent.parent / "proto"
    with tempfile.TemporaryDirectory() as out:
        arguments = ["protoc", f"-I{root}", f"--python_out={out}", f"--grpc_python_out={out}"]
        if protoc.main(arguments + ["octopus/argo/v1/tunnel.proto"]) != 0:
            raise SystemExit("tunnel.proto cannot be compiled")
        sys.path.insert(0, out)
        names = ("octopus.argo.v1.tunnel_pb2", "octopus.argo.v1.tunnel_pb2_grpc")
        return [importlib.import_module(name) for name in names]


pb, pb_grpc = messages()


class Broken(Exception):
    """The server broke a rule; the reason is the one for the goodbye."""

    def __init__(self, message, reason=pb.GOODBYE_REASON_PROTOCOL_ERROR):
        super().__init__(message)
        self.reason = reason


class Over(Exception):
    """The server said goodbye."""


class Call:
    """A call that the server opened ("Calls")."""

    def __init__(self, opened, credit):
        self.number = opened.call
        self.path = opened.path
        self.notes = [pair for pair in opened.metadata if pair.key.startswith("x-")]
        self.credit = credit  # what may still be sent
        self.allowed = LEAST_CREDIT  # what may still arrive
        self.arrived = bytearray()
        self.out = bytearray()
        self.end = None
        self.body_complete = False

    def requests(self):
        """The gRPC messages that have arrived whole."""
        while len(self.arrived) >= 5:
            size = int.from_bytes(self.arrived[1:5], "big")
            if len(self.arrived) < 5 + size:
                return
            message = BytesValue.FromString(bytes(self.arrived[5 : 5 + size]))
            del self.arrived[: 5 + size]
            yield message.value

    def answer(self, value):
        message = BytesValue(value=value).SerializeToString()
        self.out += b"\0" + len(message).to_bytes(4, "big") + message


SERVICES = {"/test.Peer/Upper", "/test.Peer/Fail", "/test.Peer/Count", "/test.Peer/Echo"}


def serve(call, value):
    """What the services do with each message, and at the end of the body, which is None."""
    method = call.path.rpartition("/")[2]
    if value is None and method == "Fail":
        call.end = pb.End(status=FAILED_PRECONDITION, message="not so", details=b"\x08\x09")
    elif value is None:
        call.end = pb.End(status=OK, trailers=call.notes)
    elif method == "Count":
        for number in range(int(value)):
            call.answer(b"%d" % number)
    elif method != "Fail":
        call.answer(value.upper() if method == "Upper" else value)


class Session:
    """The gateway's side of a session, over all its connections."""

    def __init__(self, instance):
        self.instance = instance
        self.welcome = None
        self.wire = None  # the queue of the connection's outgoing packets; None while detached
        self.last = self.received = 0
        self.kept = collections.deque()  # numbered packets that are not acknowledged
        self.calls = {}
        self.last_call = 0

    # -- Sending ("Packets", "Numbers and acknowledgements")

    def transmit(self, seq, frames):
        if self.wire is not None:
            self.wire.put(pb.Packet(seq=seq, ack=self.received, frames=frames))

    def send(self, **body):
        """A frame in a numbered packet of its own, which is kept until it is acknowledged."""
        self.last += 1
        frames = [pb.Frame(must_understand=True, **body)]
        self.kept.append((self.last, frames, pb.Packet(frames=frames).ByteSize() + FRAME_COST))
        self.transmit(self.last, frames)

    def send_unnumbered(self, **body):
        self.transmit(0, [pb.Frame(must_understand=True, **body)])

    def flush(self, call):
        """Sends what credit and replay buffer allow ("Credit")."""
        while call.out and call.credit > FRAME_COST:
            size = min(CHUNK, call.credit - FRAME_COST, len(call.out))
            if sum(kept[2] for kept in self.kept) + size + 2 * FRAME_COST > REPLAY_BUFFER:
                return
            self.send(data=pb.Data(call=call.number, payload=bytes(call.out[:size])))
            del call.out[:size]
            call.credit -= size + FRAME_COST
        if call.end is not None and not call.out:
            call.end.call = call.number
            self.send(end=call.end)
            del self.calls[call.number]

    # -- The handshake ("Handshake", "Resume")

    def hello(self):
        hello = pb.Hello(revision=1, oldest_revision=1, instance_id=self.instance)
        hello.software.name, hello.software.version = "peer.py", "1.0.0"
        hello.limits.max_calls = MAX_CALLS  # what is not said stands for its default
        if self.welcome is not None:
            hello.resume.session_id = self.welcome.session_id
            hello.resume.resume_token = self.welcome.resume_token
            hello.resume.received = self.received
        return pb.Packet(frames=[pb.Frame(must_understand=True, hello=hello)])

    def begin(self, packet, wire):
        """Takes the server's first packet over a connection."""
        first = packet.frames[0] if packet.frames else pb.Frame()
        if first.WhichOneof("body") == "goodbye":
            raise Over(first.goodbye)
        if first.WhichOneof("body") != "welcome":
            raise Broken("expected a welcome")
        welcome = first.welcome
        if welcome.revision != 1:
            raise Broken("not a revision that was offered", pb.GOODBYE_REASON_INCOMPATIBLE)
        if self.welcome is not None and not welcome.HasField("resumed"):
            raise SystemExit(f"the resume was refused: {welcome.resume_refusal}")
        self.wire = wire
        if welcome.HasField("resumed"):
            self.acknowledged(welcome.resumed.received)
            for seq, frames, _ in self.kept:
                self.transmit(seq, frames)
        self.welcome = welcome
        self.their_credit = welcome.limits.initial_credit or LEAST_CREDIT

    # -- Receiving

    def acknowledged(self, ack):
        if ack > self.last:
            raise Broken("acknowledges what was never sent")
        while self.kept and self.kept[0][0] <= ack:
            self.kept.popleft()

    def receive(self, packet):
        self.acknowledged(packet.ack)
        sent = self.last
        if packet.seq > self.received + 1:
            raise Broken("a packet is missing")
        if packet.seq == 0 or packet.seq == self.received + 1:
            self.received = packet.seq or self.received
            for frame in packet.frames:
                self.take(frame, packet.seq)
        for call in list(self.calls.values()):
            self.flush(call)
        if packet.seq != 0 and self.last == sent:
            self.transmit(0, [])  # an acknowledgement alone

    def take(self, frame, seq):
        kind = frame.WhichOneof("body")
        if kind is None:
            if frame.must_understand:
                raise Broken("an unknown frame", pb.GOODBYE_REASON_INCOMPATIBLE)
            return
        body = getattr(frame, kind)
        if kind == "goodbye":
            raise Over(body)
        if kind == "ping":
            self.send_unnumbered(pong=pb.Pong(id=body.id))
        elif kind in ("pong", "welcome"):
            pass
        elif seq == 0:
            raise Broken("a frame of a call without a number")
        elif kind == "open":
            self.opened(body)
        elif kind == "drain":
            pass  # the server opens no more calls, and says goodbye when those open are over
        elif not 0 < body.call <= self.last_call:
            raise Broken("a call that was never opened")
        elif body.call in self.calls:  # frames for a call that is over are ignored
            self.on_call(kind, body, self.calls[body.call])

    def opened(self, opened):
        if opened.call <= self.last_call:
            raise Broken("call numbers count up")
        self.last_call = opened.call
        if len(self.calls) >= MAX_CALLS:
            end = pb.End(call=opened.call, status=RESOURCE_EXHAUSTED, cause=pb.TUNNEL_CAUSE_LIMIT)
            self.send(end=end)
        elif opened.path not in SERVICES:
            self.send(end=pb.End(call=opened.call, status=UNIMPLEMENTED, message="no such method"))
        else:
            call = self.calls[opened.call] = Call(opened, self.their_credit)
            self.send(head=pb.Head(call=call.number, metadata=call.notes))

    def on_call(self, kind, body, call):
        if kind == "data" and not call.body_complete:
            cost = len(body.payload) + FRAME_COST
            call.allowed -= cost
            if call.allowed < 0 or len(body.payload) > CHUNK:
                raise Broken("more than there was credit for")
            call.arrived += body.payload
            for value in call.requests():
                serve(call, value)
            call.allowed += cost
            self.send(credit=pb.Credit(call=call.number, bytes=cost))
        elif kind == "half_close" and not call.body_complete:
            call.body_complete = True
            serve(call, None)
        elif kind == "credit":
            call.credit += body.bytes
        elif kind == "cancel":
            del self.calls[call.number]
        else:
            raise Broken(f"a {kind} is not expected here")


def main():
    arguments = argparse.ArgumentParser()
    for name in ("address", "certificate", "name"):
        arguments.add_argument(f"--{name}", required=True)
    arguments = arguments.parse_args()
    trust = grpc.ssl_channel_credentials(pathlib.Path(arguments.certificate).read_bytes())
    options = [("grpc.ssl_target_name_override", arguments.name), ("grpc.max_receive_message_length", 512 << 10)]
    who = (("client-id", os.environ["CLIENT_ID"]), ("authorization", "Bearer " + os.environ["TOKEN"]))
    session = Session(os.urandom(16))
    cuts = [b"cut before taking", b"cut after taking"]
    while True:
        wire = queue.SimpleQueue()
        wire.put(session.hello())
        with grpc.secure_channel(arguments.address, trust, options) as channel:
            packets = pb_grpc.TunnelStub(channel).Open(iter(wire.get, None), metadata=who)
            try:
                session.begin(next(packets), wire)
                for packet in packets:
                    if cuts and cuts[0] in packet.SerializeToString():
                        session.wire = None
                        packets.cancel()
                        if cuts.pop(0) == b"cut after taking":
                            session.receive(packet)  # the answer is kept, and goes out over the next connection
                        break
                    session.receive(packet)
            except Broken as broken:
                session.send_unnumbered(goodbye=pb.Goodbye(reason=broken.reason, message=str(broken)))
                wire.put(None)
                collections.deque(packets, maxlen=0)  # until the server has closed its side
                raise
            except Over as over:
                return print("goodbye:", over)
            finally:
                wire.put(None)
        print("cut", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
