"""What an element of the 2D array and a lane of the 1D row do, one operation at a time, in NumPy scalars."""

from __future__ import annotations

import numpy as np

from .fusemax_program import OPS_1D, OPS_2D

NAN, ONE, ZERO, MINUS_INFINITY = 0x7FC00000, 0x3F800000, 0, 0xFF800000
LOG2_E = 0x3FB8AA3B
COEFFICIENTS = (0x3C13BD91, 0x3D648E1C, 0x3E75EDB4, 0x3F31725D, ONE)  # c4 to c0
C5 = 0x3AF4B678
DIVISOR, DIVIDE = 14, 15
NAMES_1D = {code: name for name, code in OPS_1D.items()} | {0: "nop", DIVISOR: "divisor", DIVIDE: "divide"}
NAMES_2D = {code: name for name, code in OPS_2D.items()} | {0: "nop"}


def number(bits: int) -> np.float32:
    """The float of a bit pattern."""
    return np.uint32(bits).view(np.float32)


def pattern(value: np.float32) -> int:
    """The bit pattern of a float, every NaN the quiet one."""
    return NAN if np.isnan(value) else int(value.view(np.uint32))


def add(a: int, b: int) -> int:
    return pattern(number(a) + number(b))


def multiply(a: int, b: int) -> int:
    return pattern(number(a) * number(b))


def divide(a: int, b: int) -> int:
    return pattern(number(a) / number(b))


def negated(a: int) -> int:
    return a ^ 0x80000000


def largest(a: int, b: int) -> int:
    """+0 above −0; NaN where either is."""
    x, y = number(a), number(b)
    if np.isnan(x) or np.isnan(y):
        return NAN
    if x == y:
        return a & b
    return a if x > y else b


class Exponential:
    """Six steps of e^x; between them n and g."""

    def __init__(self) -> None:
        self.n, self.g = 0, ZERO

    def step(self, k: int, x: int) -> int:
        """The result of step k on the register's content."""
        if k == 0:
            y = add(multiply(x, LOG2_E), ZERO)
            self._split(y)
            return y
        p = add(multiply(C5 if k == 1 else x, self.g), COEFFICIENTS[k - 1])
        return self._scaled(p) if k == 5 else p

    def _split(self, y: int) -> None:
        value = float(number(y))
        if np.isnan(value):
            self.n, self.g = 0, NAN
        elif abs(value) >= 256:
            self.n, self.g = (-256 if value < 0 else 255), ZERO
        else:
            fixed = int(np.floor(value * 2.0**24))
            self.n, self.g = fixed >> 24, pattern(np.float32((fixed & 0xFFFFFF) * 2.0**-24))

    def _scaled(self, p: int) -> int:
        field = p >> 23 & 255
        if field == 255:
            return p
        field += self.n
        if field <= 0:
            return ZERO
        return p & 0x80000000 | (0x7F800000 if field >= 255 else field << 23 | p & 0x7FFFFF)


class Element:
    """An element of the 2D array."""

    def __init__(self) -> None:
        self.rf = [ZERO] * 10
        self.exponential = Exponential()

    def run(self, name: str, rd: int, ra: int, first: int, beyond: int, h: int, v: int) -> int:
        """Do an operation; what goes down."""
        a = self.rf[ra]
        if name == "mac":
            self.rf[rd] = add(ZERO if first else self.rf[rd], multiply(h, v))
        elif name == "subv":
            self.rf[rd] = add(a, negated(v))
        elif name.startswith("exp"):
            result = self.exponential.step(int(name[3]), self.rf[rd])
            if name != "exp0":
                self.rf[rd] = result
        elif not beyond and name in ("maxd", "sumd", "macd"):
            return {"maxd": largest(v, a), "sumd": add(v, a), "macd": add(v, multiply(h, a))}[name]
        return v


class Lane:
    """A lane of the 1D row."""

    def __init__(self, words: int) -> None:
        self.registers = [ZERO] * 32
        self.state = [ZERO] * words
        self.exponential = Exponential()
        self.divisor = ZERO
        self.quotients: list[int] = []

    def run(self, name: str, address: int, **fields: int) -> None:
        """Do an operation."""
        initial = MINUS_INFINITY if fields["init_inf"] else ZERO
        word = initial if fields["init"] else self.state[address]
        x = word if fields["a_state"] else self.registers[fields["a"]]
        y = self.registers[fields["b"]]
        if name in ("max", "sub", "mul", "add"):
            result = {
                "max": largest(x, y),
                "sub": add(x, negated(y)),
                "mul": multiply(x, y),
                "add": add(x, y),
            }[name]
            if fields["rd_state"]:
                self.state[address] = result
            else:
                self.registers[fields["rd"]] = result
                if fields["b_state"]:
                    self.state[address] = y
        elif name.startswith("exp"):
            result = self.exponential.step(int(name[3]), self.registers[fields["rd"]])
            if name != "exp0":
                self.registers[fields["rd"]] = result
        elif name == "divisor":
            self.divisor = x
        elif name == "divide":
            half = number(divide(x, self.divisor)).astype(np.float16)
            self.quotients.append(0x7E00 if np.isnan(half) else int(half.view(np.uint16)))
