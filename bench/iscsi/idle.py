"""What logged-in sessions cost that do nothing: a server's CPU time and anonymous memory with so many of them."""
import re
import select
import socket
import struct
import time

import servers


def pdu(opcode, flags, data=b"", lun=b"\0" * 8, tag=0, rest=b""):
    header = struct.pack(">BBHB3s8sI", opcode, flags, 0, 0, len(data).to_bytes(3, "big"), lun, tag) + rest
    return header.ljust(48, b"\0") + data + b"\0" * (-len(data) % 4)


def receive(s):
    def exactly(n):
        got = b""
        while len(got) < n:
            part = s.recv(n - len(got))
            if not part:
                raise ConnectionError
            got += part
        return got
    header = exactly(48)
    length = int.from_bytes(header[5:8], "big")
    return header, exactly((length + 3) // 4 * 4)


def log_in(host, port, iqn, index):
    s = socket.create_connection((host, port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keys = (f"InitiatorName=iqn.2026-01.io.vds:idle\0TargetName={iqn}\0SessionType=Normal\0HeaderDigest=None\0DataDigest=None\0"
            "AuthMethod=None\0")
    for flags, text in ((0x81, keys.replace("HeaderDigest=None\0DataDigest=None\0", "")), (0x87, "HeaderDigest=None\0DataDigest=None\0")):
        isid = b"\x80\x76\x65" + index.to_bytes(3, "big")
        s.sendall(pdu(0x43, flags, text.encode(), isid + b"\0\0", 0, struct.pack(">HHII", 0, 0, 1, 0)))
        header, _ = receive(s)
        if header[36:38] != b"\0\0":
            raise ConnectionError(f"login status {header[36:38].hex()}")
    return s


def measure(server, count, seconds=25):
    host, port, iqn = re.match(r"iscsi://(.*):(\d+)/([^/]+)", server.url).groups()
    before = servers.anonymous_kib(server.pid)
    sessions = []
    try:
        began = time.monotonic()
        for i in range(count):
            sessions.append(log_in(host, int(port), iqn, i))
        logins = time.monotonic() - began
        poll = select.epoll()
        by_fd = {s.fileno(): s for s in sessions}
        for fd in by_fd:
            poll.register(fd, select.EPOLLIN)
        time.sleep(1)
        cpu, start = servers.cpu_seconds(server.pid), time.monotonic()
        pings = 0
        while (left := start + seconds - time.monotonic()) > 0:
            for fd, _ in poll.poll(left):
                header, _ = receive(by_fd[fd])
                if header[0] == 0x20 and header[20:24] != b"\xff" * 4:  # NOP-In that wants an answer
                    pings += 1
                    by_fd[fd].sendall(pdu(0x40, 0x80, b"", header[8:16], 0xFFFFFFFF, header[20:24] + struct.pack(">II", 1, 0)))
        return {"sessions": count, "seconds": seconds, "pings": pings, "logins_per_s": round(count / logins),
                "share_of_a_core": round((servers.cpu_seconds(server.pid) - cpu) / seconds, 4),
                "kib_per_session": round((servers.anonymous_kib(server.pid) - before) / count, 1)}
    except OSError as e:
        return {"failed": f"after {len(sessions)} sessions: {e}"}
    finally:
        for s in sessions:
            s.close()
