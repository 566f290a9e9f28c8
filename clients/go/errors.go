package assent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// The kinds of errors, for [errors.Is]. Every error of the package matches exactly one of them, cancellations aside.
var (
	// ErrUnauthenticated is about the user's token: it is missing, malformed, expired or too long. HTTP 401.
	ErrUnauthenticated = errors.New("assent: unauthenticated")
	// ErrDenied is a decision: the user may not. Only Require and the middleware return it. HTTP 403.
	ErrDenied = errors.New("assent: denied")
	// ErrUnavailable means that the answer cannot be known now. HTTP 503 with Retry-After.
	ErrUnavailable = errors.New("assent: unavailable")
	// ErrInvalid is about a value that a user sent: an id that is empty, too long or not UTF-8. HTTP 400.
	ErrInvalid = errors.New("assent: invalid")
	// ErrMisconfigured is the calling program's own fault: its address, its caller token, its permission. HTTP 500.
	ErrMisconfigured = errors.New("assent: misconfigured")
)

// Code is the kind of an [Error].
type Code string

// The codes, which are the same in each language's kit.
const (
	CodeUnauthenticated Code = "UNAUTHENTICATED"
	CodeDenied          Code = "DENIED"
	CodeUnavailable     Code = "UNAVAILABLE"
	CodeInvalid         Code = "INVALID"
	CodeMisconfigured   Code = "MISCONFIGURED"
)

// Error is what went wrong, in a form that a program can act on.
type Error struct {
	// Code is the kind, which decides the HTTP status.
	Code Code
	// Reason is the service's stable reason (TOKEN_EXPIRED, NOT_A_MEMBER) or one of the kit (ORGANIZATION_EMPTY).
	Reason string
	// HTTPStatus is the status that a web service answers: 401, 403, 503, 400 or 500.
	HTTPStatus int
	// Message says what is wrong and what to do, for people. It never has a token in it.
	Message string
	// RetryAfter is when another attempt makes sense; zero where there is no such time.
	RetryAfter time.Duration
	// Decision is the denial that Require returned; nil for other errors.
	Decision *Decision

	cause error
	// retryable: the service asks for another attempt, or the attempt was never answered.
	retryable bool
	// grpcCode is the status that the service answered; OK for errors of the kit.
	grpcCode codes.Code
}

// Error is the code, the reason and the message.
func (e *Error) Error() string {
	return fmt.Sprintf("assent: %s (%s): %s", e.Code, e.Reason, e.Message)
}

// Is reports whether target is the sentinel of the error's code.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case CodeUnauthenticated:
		return target == ErrUnauthenticated
	case CodeDenied:
		return target == ErrDenied
	case CodeUnavailable:
		return target == ErrUnavailable
	case CodeInvalid:
		return target == ErrInvalid
	default:
		return target == ErrMisconfigured
	}
}

// Unwrap is the cause: a gRPC status, context.DeadlineExceeded, or nil.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus makes a gRPC server that returns the error answer UNAUTHENTICATED, PERMISSION_DENIED, UNAVAILABLE,
// INVALID_ARGUMENT or INTERNAL. The text of INTERNAL says nothing about the misconfiguration.
func (e *Error) GRPCStatus() *status.Status {
	switch e.Code {
	case CodeUnauthenticated:
		return status.New(codes.Unauthenticated, e.Reason)
	case CodeDenied:
		return status.New(codes.PermissionDenied, e.Reason)
	case CodeUnavailable:
		return status.New(codes.Unavailable, e.Reason)
	case CodeInvalid:
		return status.New(codes.InvalidArgument, e.Reason+": "+e.Message)
	default:
		return status.New(codes.Internal, "the permission cannot be checked")
	}
}

func newError(code Code, reason, message string) *Error {
	e := &Error{Code: code, Reason: reason, Message: message}
	switch code {
	case CodeUnauthenticated:
		e.HTTPStatus = http.StatusUnauthorized
	case CodeDenied:
		e.HTTPStatus = http.StatusForbidden
	case CodeUnavailable:
		e.HTTPStatus, e.RetryAfter = http.StatusServiceUnavailable, time.Second
	case CodeInvalid:
		e.HTTPStatus = http.StatusBadRequest
	default:
		e.HTTPStatus = http.StatusInternalServerError
	}
	return e
}

// fromStatus is the error of a failed RPC. A cancellation of ctx is returned as itself.
func fromStatus(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	s, _ := status.FromError(err)
	d := readDetails(s)
	e := classify(s.Code(), d.reason, d.field, s.Message())
	e.cause, e.grpcCode = err, s.Code()
	if s.Code() == codes.DeadlineExceeded {
		e.cause = errors.Join(err, context.DeadlineExceeded)
	}
	if d.hasRetry {
		e.RetryAfter = max(d.retry, time.Millisecond)
	}
	e.retryable = s.Code() == codes.Unavailable || (s.Code() == codes.ResourceExhausted && d.hasRetry)
	return e
}

// classify maps a status of the service to the kit's codes. Anything unknown is UNAVAILABLE: no status allows.
func classify(code codes.Code, reason, field, message string) *Error {
	switch code {
	case codes.Unauthenticated:
		if strings.HasPrefix(reason, "TOKEN_") {
			return newError(CodeUnauthenticated, reason, message)
		}
		return newError(CodeMisconfigured, or(reason, "CALLER_UNAUTHENTICATED"), message)
	case codes.PermissionDenied:
		return newError(CodeMisconfigured, or(reason, "CALLER_METHOD_NOT_ALLOWED"), message)
	case codes.Unimplemented:
		return newError(CodeMisconfigured, or(reason, "UNIMPLEMENTED"), message)
	case codes.InvalidArgument:
		name := field[strings.LastIndexByte(field, '.')+1:]
		switch name {
		case "token":
			return newError(CodeUnauthenticated, "TOKEN_INVALID", message)
		case "user_id", "organization_id", "userId", "organizationId":
			return newError(CodeInvalid, or(reason, "INVALID_ARGUMENT"), message)
		}
		return newError(CodeMisconfigured, or(reason, "INVALID_ARGUMENT"), message)
	case codes.NotFound:
		return newError(CodeInvalid, or(reason, "NOT_FOUND"), message)
	case codes.DeadlineExceeded:
		return newError(CodeUnavailable, "DEADLINE_EXCEEDED", "no answer came within the deadline")
	}
	return newError(CodeUnavailable, or(reason, snake(code)), message)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func snake(code codes.Code) string {
	switch code {
	case codes.ResourceExhausted:
		return "RESOURCE_EXHAUSTED"
	case codes.Internal:
		return "INTERNAL"
	case codes.Unavailable:
		return "UNAVAILABLE"
	}
	return strings.ToUpper(code.String())
}

type details struct {
	reason, field string
	retry         time.Duration
	hasRetry      bool
}

// readDetails reads ErrorInfo.reason, the first field of BadRequest and RetryInfo by their field numbers: their generated
// package would be one more dependency.
func readDetails(s *status.Status) details {
	var d details
	for _, any := range s.Proto().GetDetails() {
		kind := any.GetTypeUrl()
		switch kind[strings.LastIndexByte(kind, '/')+1:] {
		case "google.rpc.ErrorInfo":
			d.reason = string(fieldOf(any.GetValue(), 1))
		case "google.rpc.BadRequest":
			d.field = string(fieldOf(fieldOf(any.GetValue(), 1), 1))
		case "google.rpc.RetryInfo":
			d.hasRetry = true
			delay := fieldOf(any.GetValue(), 1)
			d.retry = time.Duration(varintOf(delay, 1))*time.Second + time.Duration(varintOf(delay, 2))
		}
	}
	return d
}

func fieldOf(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeField(message)
		if size < 0 {
			return nil
		}
		if n == number && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			value, _ := protowire.ConsumeBytes(message[tag:])
			return value
		}
		message = message[size:]
	}
	return nil
}

func varintOf(message []byte, number protowire.Number) uint64 {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeField(message)
		if size < 0 {
			return 0
		}
		if n == number && kind == protowire.VarintType {
			_, _, tag := protowire.ConsumeTag(message)
			value, _ := protowire.ConsumeVarint(message[tag:])
			return value
		}
		message = message[size:]
	}
	return 0
}
