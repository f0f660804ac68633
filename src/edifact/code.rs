//! The stable words of this module.

crate::codes! {
    TRUNCATED = "edifact-truncated": "the file ends before its interchange does: a terminator, the character after a release character, or UNZ is missing";
    NO_HEADER = "edifact-no-header": "the file, or what follows an interchange, does not begin with UNA or UNB";
    SERVICE_CHARACTERS = "edifact-service-characters": "the service characters cannot be used: they contradict UNB, or two of them are the same";
    TOO_LARGE = "edifact-too-large": "an interchange is larger than 512 MiB, or there are more than 10000 of them";
    CHARSET = "edifact-charset": "the syntax identifier or character encoding names a character set that is not supported";
    CHARACTER = "edifact-character": "a character stands outside the repertoire its syntax identifier names";
    UTF8 = "edifact-utf8": "the text is labelled with a one-byte character set but looks like UTF-8";
    SYNTAX_VERSION = "edifact-syntax-version": "the syntax version is none of 1 to 4";
    LINE_ENDS = "edifact-line-ends": "there are line ends or blanks between segments";
    LINE_BREAK = "edifact-line-break": "there is a line end inside a segment; it is read as a blank";
    WRAPPED = "edifact-wrapped": "the file is cut into lines of constant width; they are joined";
    STRAY_OCTETS = "edifact-stray-octets": "there is a byte order mark, Ctrl-Z or NUL around the interchange";
    RELEASE = "edifact-release": "a release character stands before a character that needs none";
    TAG = "edifact-tag": "a segment tag is not three upper-case letters or digits";
    NESTING = "edifact-nesting": "a segment stands outside its message, group or interchange";
    MISSING_SEGMENT = "edifact-missing-segment": "a service segment is missing";
    NO_MESSAGE = "edifact-no-message": "an interchange or group contains no message";
    CONTROL_COUNT = "control-count": "a control count in UNT, UNE or UNZ is wrong";
    CONTROL_REFERENCE = "control-reference": "the control references of a header and its trailer differ";
    MISSING = "edifact-missing": "a mandatory element or component is absent or empty";
    EXTRA = "edifact-extra": "a segment or element has more parts than its layout";
    TOO_LONG = "edifact-too-long": "a value is longer than its layout allows";
    TOO_SHORT = "edifact-too-short": "a value is shorter than its layout allows";
    TYPE = "edifact-type": "a value has characters that its layout does not allow";
    NUMBER = "edifact-number": "a number has a wrong decimal notation";
    REPETITIONS = "edifact-repetitions": "an element is repeated more often than its layout allows";
    TRAILING_SEPARATOR = "edifact-trailing-separator": "separators without data stand before a terminator (syntax version 4 forbids it)";
    TOO_MANY = "edifact-too-many-findings": "there are more than 10000 findings; the rest of the file is not checked";
}
