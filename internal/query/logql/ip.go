package logql

import (
	"errors"
	"net/netip"
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

func (m *ipMatcher) matchExact(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && m.has(a)
}

// matchAny tells whether the line has a matching address anywhere.
func (m *ipMatcher) matchAny(line string) bool {
	for i := 0; i < len(line); {
		if !isAddrChar(line[i]) {
			i++
			continue
		}
		end := i
		for end < len(line) && isAddrChar(line[end]) {
			end++
		}
		if end-i >= 3 && end-i <= 45 {
			word := strings.Trim(line[i:end], ".")
			if m.matchExact(word) || m.matchExact(strings.TrimRight(word, ":")) {
				return true
			}
			// 10.0.0.1:8080 is an address with its port.
			if ap, err := netip.ParseAddrPort(word); err == nil && m.has(ap.Addr()) {
				return true
			}
		}
		i = end
	}
	return false
}

func isAddrChar(c byte) bool {
	return isDigit(c) || c == '.' || c == ':' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
