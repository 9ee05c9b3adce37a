package store

// Room is a bounded amount of memory that several share. Methods may be called
// concurrently. It counts what its users say; it allocates nothing.
type Room interface {
	// Take reserves n bytes; false, and nothing is reserved, when they are not there.
	Take(n int64) bool
	// Hold reserves n bytes that exist already, whether they are there or not.
	Hold(n int64)
	// Give returns n bytes that were taken or held.
	Give(n int64)
}

// Unbounded is the Room of whoever has no bound.
type Unbounded struct{}

// Take implements Room.
func (Unbounded) Take(int64) bool { return true }

// Hold implements Room.
func (Unbounded) Hold(int64) {}

// Give implements Room.
func (Unbounded) Give(int64) {}
