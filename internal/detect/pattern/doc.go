// Package pattern finds the templates of log lines: what a statement of a program
// always writes, with <*> for what varies.
//
// It works in two steps. Skeleton looks at one line alone and masks what cannot
// be constant: numbers, ids, addresses, values behind "=", quoted texts, lists.
// It has no state, so that the skeleton of a line is the same today and next
// year, and can be stored with it. Group looks at all skeletons of a selection and
// joins those that differ in words that turn out to be values, such as names.
//
// Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree",
// ICWS 2017) joins lines of equal length that share half of their words; it
// confuses "opened" with "closed" and splits lists by their length.
package pattern

// Any stands for what varies.
const Any = "<*>"
