package model

import (
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScopeAllows(t *testing.T) {
	one := ScopeProducts(RoleEditor, "acme")
	two := ScopeProducts(RoleViewer, "globex", "", "globex")
	for _, c := range []struct {
		name    string
		scope   Scope
		product string
		want    bool
	}{
		{"all reaches the default product", ScopeAll(), "", true},
		{"all reaches any product", ScopeAll(), "acme", true},
		{"the zero scope reaches nothing", Scope{}, "", false},
		{"one reaches its own", one, "acme", true},
		{"one does not reach the default product", one, "", false},
		{"several reach each", two, "globex", true},
		{"the default product can be named", two, "", true},
		{"several do not reach another", two, "acme", false},
	} {
		if got := c.scope.Allows(c.product); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if !(Scope{}).Empty() || one.Empty() || ScopeAll().Empty() {
		t.Error("only the zero scope is empty")
	}
	if got := two.Products(); !slices.Equal(got, []string{"", "globex"}) {
		t.Errorf("products %q", got)
	}
}

func TestWriteProduct(t *testing.T) {
	for _, c := range []struct {
		name    string
		scope   Scope
		claimed string
		want    string
		err     error
	}{
		{"a scope of one product fills it in", ScopeProducts(RoleEditor, "acme"), "", "acme", nil},
		{"its own claim is kept", ScopeProducts(RoleEditor, "acme"), "acme", "acme", nil},
		{"another's claim is refused", ScopeProducts(RoleEditor, "acme"), "globex", "", ErrOutOfScope},
		{"of several the record has to say which", ScopeProducts(RoleEditor, "acme", "globex"), "", "", ErrOutOfScope},
		{"all keeps any claim", ScopeAll(), "acme", "acme", nil},
		{"all keeps the default product", ScopeAll(), "", "", nil},
		{"the zero scope writes nothing", Scope{}, "", "", ErrOutOfScope},
	} {
		got, err := c.scope.WriteProduct(c.claimed)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}

func TestScopesShareNoMemory(t *testing.T) {
	teams := []string{"money"}
	s := ScopeProducts(RoleViewer, "acme").WithTeams(teams...)
	teams[0] = "other"
	s.Teams()[0] = "other"
	s.Products()[0] = "other"
	if s.Teams()[0] != "money" || s.Products()[0] != "acme" || s.Role() != RoleViewer {
		t.Errorf("a scope changed after it was made: %v %v", s.Teams(), s.Products())
	}
}
