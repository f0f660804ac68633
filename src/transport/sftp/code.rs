//! The words of the SFTP transport.

use crate::codes;

codes! {
    SFTP_UNREACHABLE = "sftp-unreachable": "the SFTP server could not be reached, or does not speak SFTP";
    SFTP_HOST_KEY = "sftp-host-key": "the SFTP server's host key is unknown, changed or revoked";
    SFTP_LOGIN = "sftp-login": "the SFTP server did not accept the login";
    SFTP_KEY_FILE = "sftp-key-file": "the private key or the known_hosts file for an SFTP server cannot be used";
    SFTP_LOST = "sftp-lost": "the connection to the SFTP server broke, or it did not answer in time";
    SFTP_REFUSED = "sftp-refused": "the SFTP server refused a request";
    SFTP_DAMAGED = "sftp-damaged": "what arrived on the SFTP server is not what was sent";
}
