// Package model holds the small vocabulary that every part of Hinomi shares:
// scopes, signals, ids and labels. It does no I/O.
package model

import (
	"errors"
	"slices"
)

// ProductLabel is the label (metrics) and column (records) that carries the
// product a datum belongs to. The default product is the empty string, which
// Prometheus semantics make equal to "label absent".
const ProductLabel = "product"

// ErrOutOfScope is when a write names a product that its scope may not write.
var ErrOutOfScope = errors.New("product is outside the scope of this credential")

// Role orders what an identity may do.
type Role uint8

// Roles, weakest first.
const (
	RoleNone Role = iota
	RoleViewer
	RoleEditor
	RoleAdmin
)

// Scope says whose data a call may reach. Every store call takes one; the zero
// Scope reaches nothing. A Scope is a value and never changes after it is made.
type Scope struct {
	all      bool
	products []string
	teams    []string
	role     Role
}

// ScopeAll reaches every product. It is for Hinomi's own parts (rules,
// compaction) and for an installation without access control.
func ScopeAll() Scope { return Scope{all: true, role: RoleAdmin} }

// ScopeProducts reaches exactly the named products. The default product is "".
func ScopeProducts(role Role, products ...string) Scope {
	p := slices.Clone(products)
	slices.Sort(p)
	return Scope{products: slices.Compact(p), role: role}
}

// WithTeams returns the scope narrowed to teams (empty means every team).
func (s Scope) WithTeams(teams ...string) Scope {
	s.teams = slices.Clone(teams)
	return s
}

// All tells whether the scope reaches every product.
func (s Scope) All() bool { return s.all }

// Products are the reachable products, sorted; nil when All.
func (s Scope) Products() []string { return slices.Clone(s.products) }

// Teams are the teams the scope is narrowed to; empty means every team.
func (s Scope) Teams() []string { return slices.Clone(s.teams) }

// Role is the strongest thing the identity may do.
func (s Scope) Role() Role { return s.role }

// Allows tells whether product may be reached.
func (s Scope) Allows(product string) bool {
	if s.all {
		return true
	}
	_, ok := slices.BinarySearch(s.products, product)
	return ok
}

// Empty tells whether the scope reaches nothing at all.
func (s Scope) Empty() bool { return !s.all && len(s.products) == 0 }

// WriteProduct resolves the product of a record that claims to belong to
// claimed (empty when it does not say). A scope of exactly one product fills
// that product in; otherwise the claim must be allowed.
func (s Scope) WriteProduct(claimed string) (string, error) {
	if claimed == "" && !s.all && len(s.products) == 1 {
		return s.products[0], nil
	}
	if !s.Allows(claimed) {
		return "", ErrOutOfScope
	}
	return claimed, nil
}
