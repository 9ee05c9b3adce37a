package plan

// Weights tells how many rows each row of a frame stands for: by row of the frame,
// or, when byRow is nil, as many as all for every one. byRow is valid until the
// next call.
type Weights func(f *Frame) (byRow []float64, all float64)

// weights makes the weights for one worker, nil when every row stands for itself.
func (a Aggregate) weights() Weights {
	if a.Weigh == nil {
		return nil
	}
	switch a.Op {
	case Count, Sum, Avg, Stdvar, Stddev:
		return a.Weigh()
	}
	return nil
}

// of is the weights of a frame; without any every row stands for itself.
func (w Weights) of(f *Frame) (byRow []float64, all float64) {
	if w == nil {
		return nil, 1
	}
	return w(f)
}
