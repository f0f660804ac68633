//! The stable words of this module.

crate::codes! {
    BAD_EDIFACT = "bad-edifact": "the description is not one readable ENGDAT message";
    ENGDAT_V3 = "engdat-v3": "the description is XML of ENGDAT version 3, which is not supported";
    PART_MISSING = "part-missing": "a part of the package has not arrived";
    IDENTITY_REUSE = "identity-reuse": "the name of a package stands for two different things";
    PART_TWICE = "engdat-part-twice": "two files claim to be the same part of the package";
    PART_REPEATED = "engdat-part-repeated": "a part is there twice with the same content, under two suffixes; it is taken once";
    PART_REPLACED = "engdat-part-replaced": "a part was sent again with other content before its package was applied; what was written last counts";
    PART_NUMBER = "engdat-part-number": "the part numbers in the names do not fit the total";
    PART_UNLISTED = "engdat-part-unlisted": "a part is there that the description does not list";
    TOTAL_WITHOUT_MESSAGE = "engdat-total-without-message": "the total counts the data files only, not the description";
    NAME = "engdat-name": "a file name is read as an ENGDAT name though the rules do not allow it";
    TOO_LARGE = "engdat-too-large": "the description is larger than 4 MiB";
    MESSAGE_TYPE = "engdat-message-type": "the message is not of type ENGDAT";
    VERSION = "engdat-version": "the message version is neither 001 nor 002, or the agency is not OD";
    MISSING_SEGMENT = "engdat-missing-segment": "a mandatory segment of the message is missing";
    DUPLICATE_SEGMENT = "engdat-duplicate-segment": "a segment that may stand once stands twice";
    SEGMENT_ORDER = "engdat-segment-order": "the segments are not in the order of the standard";
    UNKNOWN_SEGMENT = "engdat-unknown-segment": "a segment is not part of ENGDAT; it is kept as it is";
    REFERENCE = "engdat-reference": "the exchange reference in the message is not the one in the file name";
    TOTAL = "engdat-total": "the total in TOT, the total in the file names and the number of files differ";
    FILE_NUMBER = "engdat-file-number": "the number of a file in EFC is not a number, is used twice, or is out of range";
    FILE_NAME = "engdat-file-name": "a file has no name";
    DATE = "engdat-date": "a date or time cannot be read";
    ROUTING = "engdat-routing": "a routing code is empty";
}
