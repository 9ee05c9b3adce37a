package logql

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// ipMatcher is the argument of ip("…"): one address, a range or a prefix.
type ipMatcher struct {
	lo, hi netip.Addr
	prefix netip.Prefix
}

func parseIPMatcher(s string) (*ipMatcher, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return &ipMatcher{prefix: p.Masked()}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return &ipMatcher{lo: a, hi: a}, nil
	}
	if l, h, ok := strings.Cut(s, "-"); ok {
		lo, err1 := netip.ParseAddr(strings.TrimSpace(l))
		hi, err2 := netip.ParseAddr(strings.TrimSpace(h))
		if err1 == nil && err2 == nil && lo.BitLen() == hi.BitLen() && lo.Compare(hi) <= 0 {
			return &ipMatcher{lo: lo, hi: hi}, nil
		}
	}
	return nil, errors.New("ip: invalid pattern")
}

func (m *ipMatcher) has(a netip.Addr) bool {
	if m.prefix.IsValid() {
		return m.prefix.Contains(a)
	}
	return a.BitLen() == m.lo.BitLen() && m.lo.Compare(a) <= 0 && a.Compare(m.hi) <= 0
}

// commonText is what every matching IPv4 address has in common: the address itself
// or its leading bytes. It is "" when there is nothing to search for.
func (m *ipMatcher) commonText() string {
	lo, hi := m.lo, m.hi
	if m.prefix.IsValid() {
		lo, hi = m.prefix.Addr(), m.prefix.Addr()
	}
	if !lo.Is4() {
		return ""
	}
	if !m.prefix.IsValid() && lo == hi {
		return lo.String()
	}
	a, b := lo.As4(), hi.As4()
	n := 0
	for n < 3 && a[n] == b[n] && (!m.prefix.IsValid() || m.prefix.Bits() >= 8*(n+1)) {
		n++
	}
	text := ""
	for _, part := range a[:n] {
		text += strconv.Itoa(int(part)) + "."
	}
	return text
}

// found tells whether a text has a matching address anywhere: the longest run of
// an address's characters from a place where one can start is tried.
func (m *ipMatcher) found(text string) bool {
	for i := 0; i < len(text); i++ {
		run := 0
		switch {
		case startsV4(text[i:]):
			for i+run < len(text) && (isDigit(text[i+run]) || text[i+run] == '.') {
				run++
			}
		case startsV6(text[i:]):
			for i+run < len(text) && (isHex(text[i+run]) || text[i+run] == ':' || text[i+run] == '.') {
				run++
			}
		default:
			continue
		}
		// The dot or colon that ends a sentence is none of the address.
		word := text[i : i+run]
		if a, err := netip.ParseAddr(word); err == nil {
			if m.has(a) {
				return true
			}
		} else if a, err := netip.ParseAddr(strings.TrimRight(word, ".:")); err == nil && m.has(a) {
			return true
		}
		i += run
	}
	return false
}

// startsV4 tells whether up to three digits and a dot follow.
func startsV4(s string) bool {
	for i := 0; i < len(s) && i < 4; i++ {
		if s[i] == '.' {
			return i > 0
		}
		if !isDigit(s[i]) {
			return false
		}
	}
	return false
}

// startsV6 tells whether two colons or up to four hexadecimal digits and a colon
// follow.
func startsV6(s string) bool {
	if strings.HasPrefix(s, "::") {
		return true
	}
	for i := 0; i < len(s) && i < 5; i++ {
		if s[i] == ':' {
			return i > 0
		}
		if !isHex(s[i]) {
			return false
		}
	}
	return false
}

func isHex(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
