//go:build race

package parquetio

// Poisoned: see the other file of it.
const Poisoned = true
