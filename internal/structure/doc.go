// Package structure holds the tests that keep the layout true: who may import
// whom. It has no code.
package structure
