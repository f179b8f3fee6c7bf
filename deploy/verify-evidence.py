#!/usr/bin/env python3
"""Checks an evidence pack of hj212-gateway (证据包) with nothing but Python's standard library. 离线核验证据包,只需 Python 标准库。

    python3 verify-evidence.py PACK [--key HEX]... [--anchor FILE]... [--print]

Exit code 0: every byte, record and signature fits. 1: something does not; the first difference is named by its line. 2: usage.
It shares no code with the gateway. What it checks, in this order, line by line (a line is a JSON object with one member):

    {"evidence":{...}}  first line: schema hj212.evidence/1, the journal's id
    {"rules":{...}}, {"station":{...}}   SHA-256 of the text
    {"anchor":{...}}    Ed25519 (RFC 8032) over its fields, one a line; it names the anchor before it by the SHA-256 of these lines
    {"node":[h,"..."]}  2^h records that are not shown, as a hash
    {"record":{...}}    leaf = SHA-256(0x00 | offset | time | kind | body), hash = SHA-256(previous | offset | time | kind | body)
    {"text":"..."}      the explanation
    {"end":{...}}       SHA-256 of all bytes before this line, signed

The items behind an anchor, from left to right, give the root of its tree (form of RFC 6962): node = SHA-256(0x01 | left | right).
--key: the public key that must have signed (published with each anchor). --anchor: an anchor that was kept elsewhere (a file with its JSON).
"""
import base64
import functools
import hashlib
import json
import sys

# ---- Ed25519, RFC 8032, section 5.1, verification only -------------------------------------------------------------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    """The sum of two points in extended coordinates."""
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    """A point, so many times."""
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point(data):
    """The point that 32 bytes stand for; None if none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


@functools.lru_cache(maxsize=4096)
def signed(key, text, signature):
    """Whether `signature` of `text` was made with the private half of `key`; key and signature in hexadecimal."""
    key, signature = unhex(key, 32), unhex(signature, 64)
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    return equal(times(s, BASE), add(r, times(k, a)))


# ---- The pack ------------------------------------------------------------------------------------------------------------------------
ANCHOR = ["schema", "gateway", "journal", "number", "day", "made_at", "first", "last", "count", "root", "head", "previous"]


class Difference(Exception):
    """The first thing that does not fit."""


def need(good, text):
    if not good:
        raise Difference(text)


def unhex(text, length=32):
    need(isinstance(text, str) and text == text.lower() and len(text) == 2 * length, "十六进制数格式不对 (not hexadecimal)")
    return bytes.fromhex(text)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def number(value, low=0, high=2**64 - 1):
    need(type(value) is int and low <= value <= high, "数值超出范围 (a number out of range)")
    return value


def signed_text(anchor):
    texts = [str(anchor[field]) for field in ANCHOR]
    need(not any("\n" in text or "\r" in text for text in texts), "锚点字段含换行 (a field of more than one line)")
    return "".join(text + "\n" for text in texts).encode()


class Tree:
    """A tree that grows at its right end."""

    def __init__(self):
        self.stack, self.count = [], 0

    def push(self, height, value):
        need(self.count % (1 << height) == 0, "散列树的节点位置不对 (a node that cannot stand here)")
        self.count += 1 << height
        while self.stack and self.stack[-1][0] == height:
            value, height = sha256(b"\1", self.stack.pop()[1], value), height + 1
        self.stack.append((height, value))

    def root(self):
        if not self.stack:
            return sha256()
        value = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            value = sha256(b"\1", left, value)
        return value


class Check:
    """Reads a pack line by line."""

    def __init__(self, keys=(), known=()):
        self.keys, self.known, self.used = set(keys), known, set()
        self.head, self.anchors, self.tree, self.last = None, [], None, None
        self.records = self.chained = self.compared = 0
        self.text = []

    def trusted(self, key):
        need(not self.keys or key in self.keys, "签名所用的密钥不在指定之列 (signed with another key)")
        self.used.add(key)

    def close(self):
        """The span at hand is complete."""
        if self.tree is not None:
            anchor = self.anchors[-1]
            good = self.tree.count == anchor["count"] and self.tree.root() == unhex(anchor["root"])
            need(good, "记录与锚点不符:内容被改动、增加或删去 (the records do not fit their anchor)")
            self.tree = None

    def evidence(self, value):
        need(value["schema"] == "hj212.evidence/1", "不支持的版本 (unknown schema)")
        self.head = value

    def rules(self, value):
        need(sha256(value["text"].encode()) == unhex(value["sha256"]), "文本与其 SHA-256 不符 (a text differs)")

    station = rules

    def anchor(self, value):
        self.close()
        need(value["schema"] == "hj212.anchor/1", "不支持的锚点版本 (unknown schema of an anchor)")
        for field in ("number", "first", "last", "count"):
            number(value[field])
        need(value["first"] <= value["last"], "锚点范围不对 (an impossible span)")
        need(signed(value["key"], signed_text(value), value["signature"]), "锚点签名无效 (the signature does not hold)")
        self.trusted(value["key"])
        need(value["journal"] == self.head["journal"], "锚点属于另一个日志库 (an anchor of another journal)")
        if self.anchors:
            before = self.anchors[-1]
            good = value["first"] > before["last"] and value["number"] > before["number"]
            if value["number"] == before["number"] + 1:
                good = good and value["first"] == before["last"] + 1
                good = good and unhex(value["previous"]) == sha256(signed_text(before))
            need(good, "锚点与前一锚点不衔接 (an anchor that does not continue the one before)")
        for known in self.known:
            if all(known[field] == value[field] for field in ("journal", "number", "key")):
                need(signed_text(known) == signed_text(value), "与另存的锚点不同 (not the anchor kept elsewhere)")
                self.compared += 1
        self.anchors.append(value)
        self.tree, self.last = Tree(), None

    def node(self, value):
        need(self.tree is not None, "散列值不属于任何锚点 (a node that no anchor covers)")
        self.tree.push(number(value[0], 0, 63), unhex(value[1]))

    def record(self, value):
        need(self.tree is not None, "记录不属于任何锚点 (a record that no anchor covers)")
        anchor, offset = self.anchors[-1], number(value["offset"])
        lowest = self.last[0] + 1 if self.last else anchor["first"]
        need(lowest <= offset <= anchor["last"], "记录的序号不在锚点范围内或次序不对 (an offset out of its span or order)")
        body = base64.b64decode(value["body"], validate=True)
        fixed = offset.to_bytes(8, "little") + number(value["time"], -(2**63), 2**63 - 1).to_bytes(8, "little", signed=True)
        fixed += bytes([number(value["kind"], 0, 255)])
        self.tree.push(0, sha256(b"\0", fixed, body))
        if value["previous"] is not None:
            good = sha256(unhex(value["previous"]), fixed, body) == unhex(value["hash"])
            if self.last and self.last[0] + 1 == offset:
                good = good and self.last[1] == value["previous"]
            need(good, "记录与散列链不符 (a record that does not continue the chain)")
            self.chained += 1
        if offset == anchor["last"]:
            need(value["hash"] == anchor["head"], "最后一条记录与锚点不符 (not the last record that the anchor names)")
        self.last = (offset, value["hash"])
        self.records += 1

    def explain(self, value):
        need(isinstance(value, str), "说明不是文字 (no text)")
        self.text.append(value)

    def end(self, value, line, before, count):
        self.close()
        canonical = '{"end":{"lines":%d,"sha256":"%s","key":"%s","signature":"%s"}}\n'
        canonical %= (number(value["lines"]), value["sha256"], value["key"], value["signature"])
        good = canonical.encode() == line and value["lines"] == count and unhex(value["sha256"]) == before
        need(good, "文件内容与其 SHA-256 不符 (the file does not fit its SHA-256)")
        text = f"hj212.evidence/1\n{value['sha256']}\n".encode()
        need(signed(value["key"], text, value["signature"]), "证据包签名无效 (the signature of the pack does not hold)")
        self.trusted(value["key"])


def verify(data, keys=(), known=()):
    """Checks the bytes of a pack. Gives the line of the first difference and what it is, or (None, the finished Check)."""
    check, whole, ended, at = Check(keys, known), hashlib.sha256(), False, 0
    try:
        for line in data.splitlines(keepends=True) if b"\r" not in data else [data]:
            at += 1
            need(not ended, "结束行之后还有内容 (something follows the last line)")
            need(line.endswith(b"\n"), "文件不完整 (the file is cut)")
            member = json.loads(line.decode())
            need(isinstance(member, dict) and len(member) == 1, "无法识别的内容 (no line of a pack)")
            (kind, value), = member.items()
            need((at == 1) == (kind == "evidence"), "首行应说明证据包来源 (the first line says whose the pack is)")
            if kind == "end":
                check.end(value, line, whole.digest(), at - 1)
                ended = True
                continue
            kinds = ("evidence", "rules", "station", "anchor", "node", "record", "text")
            need(kind in kinds, "无法识别的内容 (no line of a pack)")
            getattr(check, "explain" if kind == "text" else kind)(value)
            whole.update(line)
        at += 1
        need(ended, "文件不完整 (the file is cut)")
    except Difference as difference:
        return at, str(difference)
    except Exception as error:  # whatever the bytes are
        return at, f"无法读取 (cannot be read): {error}"
    return None, check


def main(arguments):
    pack, keys, known, show = None, [], [], False
    while arguments:
        argument = arguments.pop(0)
        if argument == "--key" and arguments:
            keys.append(arguments.pop(0).lower())
        elif argument == "--anchor" and arguments:
            text = open(arguments.pop(0), "rb").read()
            known.append(json.loads(text[text.index(b"{"):]))
        elif argument == "--print":
            show = True
        elif pack is None and not argument.startswith("-"):
            pack = argument
        else:
            pack = None
            break
    if pack is None:
        print(__doc__, file=sys.stderr)
        return 2
    line, found = verify(open(pack, "rb").read(), keys, known)
    if line is not None:
        print(f"不符 DIFFERENT: 第 {line} 行 line {line}: {found}")
        return 1
    if show:
        print("\n".join(found.text) + "\n")
    head = found.head
    print(f"相符 GOOD: 站点 {head['mn']}, {head['from']} 至 {head['to']}, 网关 {head['gateway']}, 日志库 {head['journal']}")
    print(f"  {found.records} 条记录与锚点相符,其中 {found.chained} 条核对了散列链 (records checked, in the chain)")
    for anchor in found.anchors:
        print(f"  锚点 anchor {anchor['number']}: {anchor['day']}, 记录 {anchor['first']}–{anchor['last']}, {sha256(signed_text(anchor)).hex()}")
    print(f"  {found.compared} 个锚点与另存的一致 (anchors compared with copies kept elsewhere)")
    for key in sorted(found.used):
        print(f"  签名公钥 signed with {key}{'' if keys else ',请与网关公布的公钥核对 (compare it with the published one)'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
