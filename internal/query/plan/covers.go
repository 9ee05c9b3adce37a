package plan

// Covers returns a function that tells whether a time lies in any window, or nil when
// every time of the scan does because the windows touch. It is not for concurrent
// use. What stages cost per row need not be paid for rows between windows.
func (a Aggregate) Covers() func(ts int64) bool {
	if a.Step <= a.Range || a.Steps() == 1 {
		return nil
	}
	w := newWindower(a)
	return func(ts int64) bool {
		first, last := w.at(ts)
		return first <= last
	}
}
