"""Cases of our own beside google/cel-spec's: each library's corners, with the value or error its documents ask for.

A case is an expression that must be true, or one that must fail when it runs or when it is compiled.
"""

from __future__ import annotations

TRUE = r"""
# network (cel-spec network_ext, Kubernetes ip and cidr)
ip('::ffff:c000:201') == ip('192.0.2.1') && ip('::ffff').family() == 6
isIP('64:ff9b::192.0.2.33') && ip('64:ff9b::192.0.2.33') == ip('64:ff9b::c000:221')
ip('2001:DB8:0:0::1') == ip('2001:db8::1')
string(ip('2001:db8:0:0:1:0:0:1')) == '2001:db8::1:0:0:1'
ip.isCanonical('2001:db8::1:0:0:1') && !ip.isCanonical('2001:db8:0:0:1::1')
!isIP('1.2.3') && !isIP('1.2.3.4.5') && !isIP('01.2.3.4') && !isIP('1.2.3.4 ') && !isIP('') && !isIP('fe80::1%eth0')
!isIP('1:2:3:4:5:6:7') && !isIP('::1::2') && !isIP('12345::')
!isCIDR('10.0.0.0') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/-1') && !isCIDR('10.0.0.0/08') && !isCIDR('::/129')
isCIDR('10.0.0.0/0') && isCIDR('10.0.0.0/32') && isCIDR('::/0') && isCIDR('::/128')
cidr('10.0.0.0/8').containsIP('10.255.255.255') && !cidr('10.0.0.0/8').containsIP('11.0.0.0')
!cidr('10.0.0.0/8').containsIP('::1') && !cidr('::/0').containsIP('10.0.0.1')
cidr('0.0.0.0/0').containsCIDR('10.0.0.0/8') && !cidr('10.0.0.0/8').containsCIDR('0.0.0.0/0')
cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')
cidr('10.1.2.3/8') != cidr('10.0.0.0/8') && cidr('2001:db8::1/32').prefixLength() == 32
string(cidr('2001:DB8::/32')) == '2001:db8::/32'
ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified() && !ip('::1').isUnspecified()
ip('127.255.255.254').isLoopback() && !ip('128.0.0.1').isLoopback()
ip('169.254.1.1').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && !ip('fec0::1').isLinkLocalUnicast()
ip('224.0.0.251').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()
ip('ff02::1').isLinkLocalMulticast()
ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast() && !ip('ff02::1').isGlobalUnicast()
type(ip('1.2.3.4')) == net.IP && type(cidr('1.2.3.4/8')) == net.CIDR
[ip('1.2.3.4'), ip('::1')].exists(a, a == ip('0::1'))

# strings
'%s'.format(['%s']) == '%s' && '%%%%'.format([]) == '%%'
'%d|%x|%X|%o|%b'.format([-255, 255, 255u, 8, 5]) == '-255|ff|FF|10|101'
'%x'.format([b'\xff\x00']) == 'ff00' && '%X'.format(['é']) == 'C3A9'
'%.2f %.0f %.3e'.format([2.675, 0.5, 12345.678]) == '2.67 0 1.235e+04'
'%f'.format([1]) == '1.000000' && '%e'.format([0]) == '0.000000e+00'
'%s'.format([{'b': [1, 2u, 3.5], 'a': null}]) == '{a: null, b: [1, 2, 3.5]}'
'%s %s'.format([duration('1h0.5s'), timestamp('2023-02-03T23:31:20.25Z')]) == '3600.5s 2023-02-03T23:31:20.25Z'
'%s'.format([type(1)]) == 'int' && '%s'.format([1e20]) == '100000000000000000000'
'%d'.format([9223372036854775807]) == '9223372036854775807'
'%d'.format([18446744073709551615u]) == '18446744073709551615'
'%s'.format([[]]) == '[]' && '%s'.format([{}]) == '{}'
'tacocat'.charAt(7) == '' && '😀é'.charAt(1) == 'é'
'😀a😀'.indexOf('😀', 1) == 2 && '😀a😀'.lastIndexOf('😀') == 2 && '😀a😀'.lastIndexOf('😀', 1) == 0
''.indexOf('') == 0 && 'abc'.lastIndexOf('') == 3 && 'abc'.indexOf('', 3) == 3
'a,b,,c'.split(',') == ['a', 'b', '', 'c'] && 'abc'.split('') == ['a', 'b', 'c'] && ''.split(',') == ['']
'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'a,b,c'.split(',', 1) == ['a,b,c'] && 'a'.split(',', 0) == []
'aaa'.replace('a', 'b', 2) == 'bba' && 'aaa'.replace('a', 'b', -1) == 'bbb' && 'aaa'.replace('a', 'b', 0) == 'aaa'
'ab'.replace('', '-') == '-a-b-' && 'ab'.replace('', '-', 2) == '-a-b'
'ÀB'.lowerAscii() == 'Àb' && 'àb'.upperAscii() == 'àB'
'\u00a0\u2003x\u3000'.trim() == 'x' && '\u200bx'.trim() == '\u200bx'
'abc'.substring(1) == 'bc' && 'abc'.substring(3) == '' && 'abc'.substring(1, 2) == 'b'
['a', 'b'].join() == 'ab' && [].join(',') == '' && ['a'].join(',') == 'a'
'añ😀'.reverse() == '😀ña' && strings.quote('a"\n\\') == r'"a\"\n\\"'

# math
math.greatest(1, 2.5, 2u) == 2.5 && math.least([3, 1, 2]) == 1 && math.greatest(-1) == -1
math.ceil(-0.5) == -0.0 && math.floor(-0.5) == -1.0 && math.round(2.5) == 3.0 && math.round(-2.5) == -3.0
math.trunc(-1.9) == -1.0 && math.isNaN(math.round(0.0 / 0.0)) && math.isInf(1.0 / 0.0) && !math.isFinite(-1.0 / 0.0)
math.abs(-9223372036854775807) == 9223372036854775807 && math.abs(-0.5) == 0.5 && math.abs(3u) == 3u
math.sign(-0.0) == 0.0 && math.sign(5u) == 1u && math.sign(-7) == -1
math.bitAnd(-1, 255) == 255 && math.bitOr(1u, 2u) == 3u && math.bitXor(5, 3) == 6
math.bitNot(0u) == 18446744073709551615u
math.bitShiftLeft(1, 63) == -9223372036854775808 && math.bitShiftLeft(1, 64) == 0
math.bitShiftRight(-1, 1) == 9223372036854775807 && math.bitShiftRight(1u, 64) == 0u
math.sqrt(2.25) == 1.5 && math.sqrt(9u) == 3.0 && math.isNaN(math.sqrt(-1))

# lists and sets
lists.range(3) == [0, 1, 2] && lists.range(0) == [] && lists.range(-1) == []
[1, [2, [3, [4]]]].flatten() == [1, 2, [3, [4]]] && [1, [2, [3, [4]]]].flatten(3) == [1, 2, 3, 4]
[[1], []].flatten(0) == [[1], []]
[1, 1.0, 1u, 2, 'a', 'a'].distinct() == [1, 2, 'a'] && [].distinct() == []
[3, 1, 2].sort() == [1, 2, 3] && ['b', 'a'].sort() == ['a', 'b'] && [true, false].sort() == [false, true]
[].sort() == []
[{'n': 2, 'v': 'x'}, {'n': 1, 'v': 'y'}, {'n': 2, 'v': 'z'}].sortBy(e, e.n).map(e, e.v) == ['y', 'x', 'z']
[timestamp('2024-01-02T00:00:00Z'), timestamp('2024-01-01T00:00:00Z')].sort()[0] == timestamp('2024-01-01T00:00:00Z')
[1, 2, 3].slice(1, 1) == [] && [1, 2, 3].slice(0, 3) == [1, 2, 3] && [1, 2, 3].reverse() == [3, 2, 1]
[1, 2].first().value() == 1 && [1, 2].last() == optional.of(2) && [].first() == optional.none()
sets.contains(dyn([1, 2, 3]), [1.0, 2u]) && sets.equivalent(dyn([1, 2, 2]), [2u, 1.0])
sets.intersects([1], dyn([1.0])) && !sets.intersects([], [])
sets.contains([[1], [2, 3]], [[2, 3.0]]) && sets.contains([], []) && sets.equivalent([], [])

# encoders and regex
base64.encode(b'\xff\xee') == '/+4=' && base64.decode('/+4') == b'\xff\xee' && base64.decode('') == b''
regex.replace('foo bar', '(fo)o (ba)r', r'\2 \1') == 'ba fo' && regex.replace('aaa', 'a', 'b', 2) == 'bba'
regex.replace('abc', '$', '_end') == 'abc_end' && regex.replace('abc', '^', '_') == '_abc'
regex.replace('abc', 'x*', '-') == '-a-b-c-'
regex.replace('abc', 'b*', '-') == '-a-c-' && regex.replace('a.b', r'\.', r'\\') == r'a\b'
regex.extract('item-A, item-B', r'item-(\w+)') == optional.of('A') && regex.extract('x', 'y') == optional.none()
regex.extractAll('id:123, id:456', r'id:(\d+)') == ['123', '456'] && regex.extractAll('abc', 'x') == []
'abc'.matches('b') && !'abc'.matches('^b$') && 'a\nb'.matches('(?s)a.b') && 'ÀÉ'.matches('^\\pL+$')
'ABC'.matches('(?i)abc')
matches('abc', 'a.c')

# optionals
{'a': 1}.?a.orValue(0) == 1 && {'a': 1}.?b.orValue(0) == 0 && {'a': {'b': 1}}.?a.b == optional.of(1)
{}.?a.b.c == optional.none()
[1, 2][?5].or([1, 2][?1]).value() == 2 && [?optional.none(), ?optional.of(1)] == [1] && {?'a': optional.none()} == {}
optional.of(1).optMap(x, x + 1) == optional.of(2) && optional.none().optMap(x, x) == optional.none()
optional.of([1]).optFlatMap(l, l[?0]).value() == 1 && optional.ofNonZeroValue('') == optional.none()
optional.of(null).hasValue()
optional.of(1) != optional.none() && optional.of(dyn(1)) == optional.of(dyn(1.0))
optional.ofNonZeroValue(0u) == optional.none()
has({'a': {'b': 1}}.a.b) && !has({'a': {}}.a.b) && !has(optional.of({'x': 1}).y)

# macros over one and two variables, bind, block
[1, 2, 3].exists_one(i, v, v == 2) && [1, 2, 3].existsOne(i, v, i == v - 1 && v == 3) && [5].exists_one(v, v == 5)
{'a': 1, 'b': 2}.all(k, v, v > 0) && {'a': 1}.exists(k, k == 'a') && [1, 2].exists(i, v, i == 1 && v == 2)
[1, 2, 3].transformList(i, v, v % 2 == 1, i * v) == [0, 6] && {'a': 1}.transformMap(k, v, k + string(v)) == {'a': 'a1'}
['x', 'y'].transformMap(i, v, i > 0, v) == {1: 'y'} && {'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'}
[1, 2, 3].map(x, x > 1, x * x) == [4, 9] && {'a': 1}.map(k, k) == ['a'] && [[1], [2]].map(l, l[0]) == [1, 2]
[1, 0].exists(x, 1 / x == 1) && ![0, 1].all(x, 1 / x == 2) && [].all(x, x / 0 == 1)
cel.bind(a, 1, cel.bind(b, a + 1, cel.bind(a, b + 1, a + b))) == 5 && cel.bind(x, 1 / 0, true)
true || 1 / 0 > 0 && false && 1 / 0 > 0 ? true : false
(1 / 0 > 0 || true) && !(1 / 0 > 0 && false)

# timestamps and durations
timestamp('2024-03-10T07:30:00Z').getHours('America/New_York') == 3
timestamp('2024-03-10T06:30:00Z').getHours('America/New_York') == 1
timestamp('2024-01-01T00:30:00Z').getFullYear('-01:00') == 2023
timestamp('2024-01-01T00:30:00Z').getDayOfYear('-01:00') == 364
timestamp('2024-02-29T23:00:00Z').getDate('+05:30') == 1 && timestamp('2024-02-29T12:00:00Z').getDayOfWeek() == 4
timestamp('2024-02-29T12:00:00Z').getMonth() == 1 && timestamp('2024-02-29T12:00:00Z').getDayOfMonth() == 28
timestamp('2024-01-01T00:00:00.123456789Z').getMilliseconds() == 123
timestamp('2024-01-01T05:30:00+05:30') == timestamp('2024-01-01T00:00:00Z')
timestamp('2024-01-01T00:00:00Z') - timestamp('2023-12-31T23:59:59.999999999Z') == duration('1ns')
timestamp('2024-01-01T00:00:00Z') + duration('36h') - duration('12h') == timestamp('2024-01-02T00:00:00Z')
duration('1h') + timestamp('2024-01-01T00:00:00Z') == timestamp('2024-01-01T01:00:00Z')
duration('1.5h').getMinutes() == 90 && duration('-90s').getMinutes() == -1 && duration('3730s').getHours() == 1
duration('1s500ms').getMilliseconds() == 500 && duration('1us') == duration('1000ns')
string(duration('90m')) == '5400s'
timestamp(0) == timestamp('1970-01-01T00:00:00Z') && int(timestamp('1969-12-31T23:59:59Z')) == -1
string(timestamp('2024-01-01T00:00:00.5Z')) == '2024-01-01T00:00:00.5Z'
timestamp('9999-12-31T23:59:59.999999999Z') > timestamp(0)

# numbers, text, types
dyn(9223372036854775807) == 9223372036854775807.0 && dyn(1) == 1u && dyn(1) == 1.0 && dyn(1) != dyn('1')
-9223372036854775808 < -9223372036854775807 && 0x10 == 16 && 0xFFu == 255u && -7 / 2 == -3 && -7 % 2 == -1
0.1 + 0.2 != 0.3 && 1.0 / 0.0 > 1e308 && !(0.0 / 0.0 == 0.0 / 0.0) && -0.0 == 0.0
int('-9223372036854775808') < 0 && uint('18446744073709551615') > 0u && double('1e-5') == 0.00001
int(1.9) == 1 && int(-1.9) == -1
string(1e6) == '1e+06' && string(123456.0) == '123456' && string(0.0001) == '0.0001' && string(1u) == '1'
string(b'abc') == 'abc'
bool('TRUE') && !bool('f') && bytes('é') == b'\xc3\xa9' && size('é') == 1 && size(b'é') == 2
type(type(1)) == type && type(1u) == uint && type(null) == null_type && type([]) == list && type({}) == map
type(1.0) == double
'\U0001F600' == '😀' && '\x41\101\u0041' == 'AAA' && r'\n'.size() == 2 && b'\377' == b'\xff' && '''a'b"c''' == "a'b\"c"
'a' < 'b' && 'Z' < 'a' && b'a' < b'b' && false < true && [1, 2] + [3] == [1, 2, 3] && 'a' in {'a': 1}
dyn(1.0) in [1, 2]
{1: 'a'}[dyn(1u)] == 'a' && {1: 'a'}[dyn(1.0)] == 'a' && {true: 1}[true] == 1 && [1, 2, 3][dyn(1.0)] == 2
{'a': 1, 'b': [2]} == {'b': [2.0], 'a': 1u} && [1] != [1, 2] && {'a': 1} != {'a': 2}
semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('1.2.3').compareTo(semver('1.2.3+b')) == 0
semver('v1.2', true).minor() == 2
!isSemver('1.2') && isSemver('1.2.3-0A.is.legal') && !isSemver('01.1.1') && !isSemver('1.1.1-01')
"""

FAILS = r"""
ip('192.0.2.256')
ip('::ffff:192.0.2.1')
cidr('192.0.2.0/33')
cidr('192.0.2.0/24').containsIP('x')
cidr('192.0.2.0/24').containsCIDR('192.0.2.0')
ip.isCanonical('x')
'%d'.format(['a'])
'%s'.format([])
'%'.format([1])
'%z'.format([1])
'%x'.format([1.5])
'%b'.format(['1'])
'%.1001f'.format([1.0])
'abc'.charAt(4)
'abc'.charAt(-1)
'abc'.indexOf('a', 4)
'abc'.substring(4)
'abc'.substring(2, 1)
'abc'.substring(-1)
base64.decode('!')
regex.replace('a', '(', 'b')
regex.replace('a', 'a', r'\1')
regex.extract('ab', '(a)(b)')
'a'.matches('(?=a)')
'a'.matches('(a')
[1, 2].slice(1, 3)
[1, 2].slice(2, 1)
[1].flatten(-1)
[1, 'a'].map(x, dyn(x)).sort()
[[1], [2]].map(x, dyn(x)).sort()
lists.range(10000000)
math.abs(-9223372036854775808)
math.bitShiftLeft(1, -1)
math.greatest(dyn('a'))
9223372036854775807 + 1
-9223372036854775808 - 1
9223372036854775807 * 2
-(-9223372036854775807 - 1)
0u - 1u
18446744073709551615u + 1u
1 / 0
1 % 0
1u / 0u
-9223372036854775808 / -1
int(9.3e18)
int('1.5')
int('')
uint(-1)
uint('-1')
double('x')
bool('yes')
string(b'\xff')
timestamp('2024-02-30T00:00:00Z')
timestamp('2024-01-01T00:00:00')
timestamp('2024-01-01')
timestamp('10000-01-01T00:00:00Z')
timestamp(253402300800)
timestamp('9999-12-31T23:59:59Z') + duration('1s')
timestamp(0).getHours('Nowhere/None')
timestamp(0).getHours('+24:00')
duration('1d')
duration('')
duration('1')
duration('320000000000s')
{'a': 1}.b
{'a': 1}['b']
[1][1]
[1][-1]
[1][dyn(0.5)]
[1][dyn('0')]
{'a': 1, 'a': 2}
{1: 1, 1u: 2}
{dyn(1.5): 1}
{dyn([]): 1}
optional.none().value()
{'a': 1}.transformMapEntry(k, v, dyn(1))
['a', 'a'].transformMapEntry(i, v, {v: i})
[1, 0].all(x, 1 / x == 1)
[1, 0].map(x, 1 / x)
[1, 0].exists_one(x, 1 / x == 1)
1 / 0 > 0 ? 1 : 2
cel.bind(x, 1 / 0, x == 1)
dyn(1) < dyn('a')
dyn(1) + dyn(1u)
dyn(1) + dyn(1.0)
!dyn(1)
dyn(1) && true
semver('1.2')
"""

REFUSED = r"""
1 + 1.0
1 + 'a'
'a' && true
[1, 2] == {'a': 1}
x
f(1)
'a'.charAt('b')
'abc'.split(1)
[1].join()
ip(1)
cidr('10.0.0.0/8').family()
math.greatest()
math.greatest('a')
math.bitAnd(1, 1u)
lists.range('a')
timestamp(0).getHours(1)
duration(1) + 1
1 ? 2 : 3
has(1)
[1].all(x)
[1].map(1, x)
1.all(x, x)
{'a': 1}.
(1
'abc
1 +
'\q'
9223372036854775808
18446744073709551616u
1 2
a.b(
[1,,2]
x!
if
let
"""


def lines(text: str) -> list[str]:
    """Return the expressions of a table."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]
