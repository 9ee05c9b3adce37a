//go:build !race

package parquetio

// Poisoned makes Reset overwrite what it takes back, so that tests with the race
// detector find whoever uses a vector or a text for too long.
const Poisoned = false
